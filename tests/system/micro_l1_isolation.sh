#!/bin/bash
# L0's memory, found as what the VMM has taken out of the memory map, can be neither read nor changed.
source "$(dirname "$0")/lab.sh"

memory_lines() { sed -n 's/^MEMORY base=\([^ ]*\) size=\([^ ]*\) type=\(.*\)$/\1 \2 \3/p' "$OUTPUT"; }

micro_l1 "script=isolation"
lab_start --bare --timeout 120
lab_end
memory_lines >"$WORK/bare.map"

micro_l1 "script=isolation wait=1"
lab_start_under_vmm --timeout 900
wait_for "^READY" 1 120
memory_lines >"$WORK/vmm.map"

# Ranges that are not available under the VMM but lie in available memory of the bare machine.
ranges=()
while read -r base size type; do
    [ "$type" -ne 1 ] || continue
    while read -r bare_base bare_size bare_type; do
        [ "$bare_type" -eq 1 ] || continue
        if [ $((base)) -ge $((bare_base)) ] && [ $((base + size)) -le $((bare_base + bare_size)) ]; then
            ranges+=("lo=$(printf '0x%x' $((base))) hi=$(printf '0x%x' $((base + size)))")
        fi
    done <"$WORK/bare.map"
done <"$WORK/vmm.map"
[ ${#ranges[@]} -gt 0 ] || die "no range of L0's own in the memory map that L1 gets"

done_runs=0
for range in "${ranges[@]}"; do
    type_line "run $range"
    done_runs=$((done_runs + 1))
    wait_for '^DONE run' "$done_runs" 400
done
type_line "quit"
lab_end
check_summary
grep '^RESULT name=isolation' "$OUTPUT"
