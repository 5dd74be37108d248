#!/bin/bash
# micro_l1_same.sh COMMAND-LINE [MODEL]: a script passes under the VMM, with the same PASS lines as on the bare processor.
source "$(dirname "$0")/lab.sh"

model=${2:-corei7_haswell_4770}

micro_l1 "$1"
lab_start --bare --cpu-model "$model" --timeout 280
lab_end
check_summary
grep -E '^(PASS|SKIP)' "$OUTPUT" >"$WORK/bare.lines"

micro_l1 "$1"
lab_start_under_vmm --cpu-model "$model" --timeout 560
lab_end
check_summary
grep -E '^(PASS|SKIP)' "$OUTPUT" >"$WORK/vmm.lines"
diff -u "$WORK/bare.lines" "$WORK/vmm.lines" >&2 || die "L1 can tell the VMM from the bare processor (bare above, VMM below)"
grep -E '^(RESULT|SUMMARY)' "$OUTPUT"
