#!/bin/bash
# micro_l1_save.sh CYCLES SEED [FAULTS]: so many times the micro-L1 is saved while it makes round trips and checks every
# value, the VMM starts anew, and L1 goes on in it: no value lost, none stale.
source "$(dirname "$0")/lab.sh"

micro_l1 "script=fire seed=$2 mark=500 out=e9 wait=1"
lab_start_under_vmm --timeout 3000 --ips 4000000 ${3:+--link-faults "$3"}
wait_for "^READY" 1 120
type_line "run"
wait_for '^MARK' 1 120

state=$WORK/l1.state
link_verb() { "$SHADOWTUNE" "$@" --link "$LINK" --timeout 120 >>"$WORK/verbs.out" 2>&1 || { cat "$WORK/verbs.out" >&2; die "'$*' failed"; }; }

in_l2=0
in_l1=0
for ((cycle = 1; cycle <= $1; ++cycle)); do
    link_verb save "$state"
    if "$SHADOWTUNE" info "$state" --format json | grep -q '"runs_l2": true'; then in_l2=$((in_l2 + 1)); else in_l1=$((in_l1 + 1)); fi
    [ -z "${SAVE_TRACE:-}" ] || { date +%T.%N >&2; ls -l "$state" >&2; }
    link_verb restart "$state"
    link_verb restore "$state"
done
marks=$(grep -c '^MARK' "$OUTPUT")
wait_for '^MARK' $((marks + 2)) 120
type_line "stop"
wait_for '^DONE run' 1 120
type_line "quit"
lab_end
check_summary
echo "RESULT name=save cycles=$1 in_l2=$in_l2 in_l1=$in_l1"
grep '^RESULT name=fire' "$OUTPUT"
