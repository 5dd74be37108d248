#!/bin/bash
# micro_l1_bare.sh COMMAND-LINE: a script of the micro-L1 on the lab's bare processor passes.
source "$(dirname "$0")/lab.sh"

micro_l1 "$1"
lab_start --bare --timeout 280
lab_end
check_summary
grep -E '^(RESULT|SUMMARY)' "$OUTPUT"
