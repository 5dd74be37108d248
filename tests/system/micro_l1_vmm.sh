#!/bin/bash
# micro_l1_vmm.sh COMMAND-LINE: a script of the micro-L1 passes under the VMM, where the bare lab is no model for it.
source "$(dirname "$0")/lab.sh"

micro_l1 "$1"
lab_start_under_vmm --timeout 280
lab_end
check_summary
grep -E '^(RESULT|SUMMARY)' "$OUTPUT"
