#!/bin/bash
# micro_l1_fire.sh RELOADS SEED: so many reloads of alternating random valid profiles while the micro-L1 makes round trips and
# checks every value: none lost, none stale.
source "$(dirname "$0")/lab.sh"

RELOAD_STORM=${RELOAD_STORM:-$(dirname "$SHADOWTUNE")/reload-storm}
[ -x "$RELOAD_STORM" ] || die "$RELOAD_STORM is not there; build it first"

micro_l1 "script=fire seed=$2 mark=500 out=e9 wait=1"
lab_start_under_vmm --timeout 3000 --ips 4000000
wait_for "^READY" 1 120
type_line "run"
wait_for '^MARK' 1 120
"$RELOAD_STORM" "$LINK" "$1" "$2" >"$WORK/storm.out" || { cat "$WORK/storm.out" >&2; die "the reloads failed"; }
marks=$(grep -c '^MARK' "$OUTPUT")
# Round trips go on under the last profile too.
wait_for '^MARK' $((marks + 2)) 120
type_line "stop"
wait_for '^DONE run' 1 120
type_line "quit"
lab_end
check_summary
cat "$WORK/storm.out"
grep '^RESULT name=fire' "$OUTPUT"
