#!/bin/bash
# micro_l1_bare.sh COMMAND-LINE [OPTION...]: a script of the micro-L1 on the lab's bare processor passes; with the word
# processors=2 on both. OPTION: of `lab run`.
source "$(dirname "$0")/lab.sh"

micro_l1 "$1"
words=$1
shift
lab_start --bare --timeout 280 "$@"
lab_end
check_summary
[[ $words != *processors=2* ]] || check_summary "P1 "
grep -E '^(P1 )?(RESULT|SUMMARY)' "$OUTPUT"
