# Sourced by bench/paired: a Linux L2 boots (linux_boot), then works (linux_work; lab/initramfs/init-work). L1 says at each line of L2's
# how many ticks and exits of its KVM there have been (l2-workload --stamp).

# stamp LINE WHAT: what L1 printed behind that line of L2's.
stamp() { tr -d '\r' <"$OUTPUT" | sed -n "s/^$1 \[.*$2=\([0-9]*\).*\]$/\1/p" | head -1; }

# add_linux CONFIGURATION: from the console and the trace's two windows.
add_linux() {
    local workload from=begin to n=0
    for workload in linux_boot linux_work; do
        to="L2 booted"
        [ "$workload" = linux_boot ] || to="L2 worked"
        n=$((n + 1))
        case " ${linux[*]} " in *" $workload "*)
            add "$1" "$workload" "$(awk -v ticks=$(($(stamp "$to" ticks) - $(stamp "$from" ticks))) \
                -v exits=$(($(stamp "$to" exits) - $(stamp "$from" exits))) 'BEGIN { printf "%.1f", ticks / exits }')" $n ;;
        esac
        from="L2 booted"
    done
}

# run_linux CONFIGURATION OPTION...: options of `lab run`.
run_linux() {
    local configuration=$1
    shift
    echo "paired: $configuration, Linux as L2" >&2
    L1=(--l1 "linux:$assets/vmlinuz" --memory 1536)
    trace_begin 600000
    lab_start "$@" --timeout 7200
    wait_for "^begin " 1 1800
    sleep 3
    trace_window
    wait_for "^L2 booted" 1 3600
    sleep 3
    trace_window
    wait_for "^L1: QEMU ended with 0" 1 3600
    type_line off
    lab_end
    trace_end
    add_linux "$configuration"
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
"$SHADOWTUNE" tune "$out/linux.db:1" --phase all -o "$out/tuned.json" >"$WORK/tune.out" 2>&1 || die "no profile: $(cat "$WORK/tune.out")"
for configuration in kvm_list all tuned; do
    profile=$out/tuned.json
    if [ "$configuration" != tuned ]; then
        profile=$out/$configuration.json
        "$SHADOWTUNE" import "$out/linux.db:1" --list "${configuration%_list}" -o "$profile" >/dev/null || die "no profile of the list $configuration"
    fi
    run_linux $configuration "${vmm_linux[@]}" --profile "$profile"
done
