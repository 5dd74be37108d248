#!/bin/bash
# micro_l1_bare.sh COMMAND-LINE: a script of the micro-L1 on the lab's bare processor passes.
source "$(dirname "$0")/micro_l1.sh"

lab_start "$1" --bare --timeout 280
lab_end
check_summary
grep -E '^(RESULT|SUMMARY)' "$OUTPUT"
