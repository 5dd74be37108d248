#!/bin/bash
# KVM as L1 in mode trap: VMREADs and VMWRITEs per L2 exit against what an instrumented emulator counted of the same KVM
# directly on the processor (docs/measurements.md), within 1 %, and the fields, ranked.
source "$(dirname "$0")/lab.sh"

database=$WORK/rates.db
linux_l1
# The default ips: a timer interrupt, which costs accesses of its own, is rare against 3,000 exits.
lab_start_under_vmm --timeout 900
wait_for "^L1 ready" 1 300

recordings=0
# check WORKLOAD READS WRITES FIELD...: rates per round trip; the fields that are read about once per exit or more.
check() {
    local workload=$1 reads=$2 writes=$3 got_reads got_writes fields
    shift 3
    # A first run makes the L2 guest, which touches most fields once.
    type_line "$workload 50"
    wait_for "^done $workload" 1 120
    record_begin "$database" --mode trap --label "$workload"
    type_line "$workload 5000"
    wait_for "^done $workload" 2 300
    record_end
    recordings=$((recordings + 1))
    "$SHADOWTUNE" report "$database" --recording "$recordings" --format csv >"$WORK/report.csv"
    read -r got_reads got_writes <<<"$(awk -F, 'NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
        { reads += $column["reads_per_round_trip"]; writes += $column["writes_per_round_trip"] } END { print reads, writes }' "$WORK/report.csv")"
    echo "$workload: $got_reads reads (expected $reads), $got_writes writes (expected $writes) per L2 exit"
    awk -v a="$got_reads" -v b="$reads" -v c="$got_writes" -v d="$writes" \
        'BEGIN { exit !(a >= b * 0.99 && a <= b * 1.01 && c >= d * 0.99 && c <= d * 1.01) }' ||
        die "$workload: not within 1 %"
    fields=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
        $column["reads_per_round_trip"] > 0.9 { print $column["field"] }' "$WORK/report.csv" | sort | tr '\n' ' ')
    [ "$fields" = "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ] || die "$workload reads $fields"
}

every_exit=(exit_reason idt_vectoring_information guest_interruptibility_state guest_rip guest_rflags
    vm_exit_instruction_length)
check cpuid 6 1 "${every_exit[@]}"
# HOST_RSP is written where KVM_RUN was called with another stack offset: nearly always.
check out 8 1.98 "${every_exit[@]}" exit_qualification guest_cs_base
check hlt 6 1.98 "${every_exit[@]}"

type_line "quit"
lab_end
