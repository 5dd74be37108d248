#!/bin/bash
# micro_l1_save.sh CYCLES SEED [PROCESSORS [OPTION...]]: so many times the micro-L1 is saved while it makes round trips and
# checks every value, the VMM starts anew, and L1 goes on in it: no value lost, none stale. With 2 PROCESSORS on both at once.
# The variable CPUS gives the machine more, which L1 never starts. OPTION: of `lab run`, for example --link-faults 7,1/100.
source "$(dirname "$0")/lab.sh"

processors=${3:-1}
prefixes=("")
[ "$processors" -eq 1 ] || prefixes+=("P1 ")
micro_l1 "script=fire seed=$2 mark=500 out=e9 wait=1 processors=$processors"
lab_start_under_vmm --timeout 3000 --ips 4000000 --cpus "${CPUS:-$processors}" "${@:4}"
wait_for "^READY" 1 120
type_line "run"
for prefix in "${prefixes[@]}"; do wait_for "^${prefix}MARK" 1 120; done

state=$WORK/l1.state
link_verb() { "$SHADOWTUNE" "$@" --link "$LINK" --timeout 120 >>"$WORK/verbs.out" 2>&1 || { cat "$WORK/verbs.out" >&2; die "'$*' failed"; }; }

in_l2=0
in_l1=0
for ((cycle = 1; cycle <= $1; ++cycle)); do
    link_verb save "$state"
    running=$("$SHADOWTUNE" info "$state" --format json | grep -c '"runs_l2": true' || true)
    in_l2=$((in_l2 + running))
    in_l1=$((in_l1 + processors - running))
    [ -z "${SAVE_TRACE:-}" ] || { date +%T.%N >&2; ls -l "$state" >&2; }
    link_verb restart "$state"
    link_verb restore "$state"
done
for prefix in "${prefixes[@]}"; do
    marks=$(grep -c "^${prefix}MARK" "$OUTPUT")
    wait_for "^${prefix}MARK" $((marks + 2)) 120
done
type_line "stop"
for prefix in "${prefixes[@]}"; do wait_for "^${prefix}DONE run" 1 120; done
type_line "quit"
lab_end
for prefix in "${prefixes[@]}"; do check_summary "$prefix"; done
echo "RESULT name=save cycles=$1 in_l2=$in_l2 in_l1=$in_l1"
grep -E '^(P1 )?RESULT name=fire' "$OUTPUT"
