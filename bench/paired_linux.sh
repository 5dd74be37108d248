# Sourced by bench/paired: a Linux L2 boots (linux_boot), then works (linux_work; lab/initramfs/init-work). L1 says at each line of L2's
# how many ticks and exits of its KVM there have been (l2-workload --stamp).

# stamp LINE WHAT: what L1 printed behind that line of L2's.
stamp() { tr -d '\r' <"$OUTPUT" | sed -n "s/^$1 \[.*$2=\([0-9]*\).*\]$/\1/p" | head -1; }

# per_exit FROM TO: ticks for each exit of L2, from one line to the other.
per_exit() {
    awk -v ticks=$(($(stamp "$2" ticks) - $(stamp "$1" ticks))) -v exits=$(($(stamp "$2" exits) - $(stamp "$1" exits))) \
        'BEGIN { printf "%.1f", ticks / exits }'
}

# windows_until LINE: up to twelve windows of the trace, as long as that line has not come; where L2 computes, some have no exit.
# Their numbers go into `taken`.
windows_until() {
    taken=()
    local i
    for i in {1..12}; do
        sleep 1
        ! grep -qa "^$1" "$OUTPUT" || break
        trace_window
        windows=$((windows + 1))
        taken+=("$windows")
    done
    wait_for "^$1" 1 3600
}

# run_linux CONFIGURATION OPTION...: options of `lab run`.
run_linux() {
    local configuration=$1 windows=0 taken=() boot=() work=()
    shift
    echo "paired: $configuration, Linux as L2" >&2
    L1=(--l1 "linux:$assets/vmlinuz" --memory 1536)
    trace_begin 400000
    lab_start "$@" --timeout 7200
    wait_for "^begin " 1 1800
    windows_until "L2 booted"
    boot=("${taken[@]}")
    windows_until "L2 worked"
    work=("${taken[@]}")
    wait_for "^L1: QEMU ended with 0" 1 3600
    type_line off
    lab_end
    trace_end
    case " ${linux[*]} " in *" linux_boot "*) add "$configuration" linux_boot "$(per_exit begin "L2 booted")" "${boot[@]}" ;; esac
    case " ${linux[*]} " in *" linux_work "*) add "$configuration" linux_work "$(per_exit "L2 booted" "L2 worked")" "${work[@]}" ;; esac
}

for configuration in single_level kvm_static kvm_off; do
    case $configuration in
        single_level) run_linux $configuration --bare --initrd "$assets/linux.cpio.lz4" --cmdline "$cmdline" ;;
        kvm_static) run_linux $configuration --bare --initrd "$assets/l0.cpio.lz4" --cmdline "$cmdline l1=linux shadow_vmcs=1" ;;
        kvm_off) run_linux $configuration --bare --initrd "$assets/l0.cpio.lz4" --cmdline "$cmdline l1=linux shadow_vmcs=0" ;;
    esac
done
vmm_linux=(--initrd "$assets/linux.cpio.lz4" --cmdline "$cmdline")
rm -f "$out"/linux.db*
run_linux trap "${vmm_linux[@]}" --record "$out/linux.db"
tune_whole "$out/linux.db:1" "$out/tuned.json"
for configuration in kvm_list all tuned; do
    profile=$out/tuned.json
    if [ "$configuration" != tuned ]; then
        profile=$out/$configuration.json
        "$SHADOWTUNE" import "$out/linux.db:1" --list "${configuration%_list}" -o "$profile" >/dev/null || die "no profile of the list $configuration"
    fi
    run_linux $configuration "${vmm_linux[@]}" --profile "$profile"
done
