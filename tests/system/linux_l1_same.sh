#!/bin/bash
# Linux 6.1 as L1, unmodified and with kvm_intel's default parameters: each L2 workload gives under the VMM the result that
# it gives on the bare processor.
source "$(dirname "$0")/lab.sh"

workloads=("cpuid 500" "out 500" "hlt 200" "hlt-irq 100" "ept 300" "msr 500" "interrupt 200" "vmcall 200" "mmio 300" "steady 400" "mix 200"
    "devices 400")

# results OPTION...: one line for each workload.
results() {
    local workload
    linux_l1
    "$@" --ips 50000000 --timeout 600
    for workload in "${workloads[@]}"; do type_line "$workload"; done
    type_line "quit"
    lab_end
    ! grep -q '^failed' "$OUTPUT" || die "a workload failed"
    grep ' exits=' "$OUTPUT"
}

results lab_start --bare >"$WORK/bare.results"
results lab_start_under_vmm >"$WORK/vmm.results"
[ "$(wc -l <"$WORK/bare.results")" -eq "${#workloads[@]}" ] || die "not every workload gave a result"
diff -u "$WORK/bare.results" "$WORK/vmm.results" >&2 || die "results differ (bare above, VMM below)"
cat "$WORK/vmm.results"
