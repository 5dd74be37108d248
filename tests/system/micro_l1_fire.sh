#!/bin/bash
# micro_l1_fire.sh RELOADS SEED [PROCESSORS [SCRIPT]]: so many reloads of alternating random valid profiles while the micro-L1 makes
# round trips and checks every value: none lost, none stale. With 2 PROCESSORS on both, each with its own VMCS: every reload
# comes into force on both, and the round trips of each vCPU are those that its processor made.
source "$(dirname "$0")/lab.sh"

RELOAD_STORM=${RELOAD_STORM:-$(dirname "$SHADOWTUNE")/reload-storm}
[ -x "$RELOAD_STORM" ] || die "$RELOAD_STORM is not there; build it first"

processors=${3:-1}
prefixes=("")
[ "$processors" -eq 1 ] || prefixes+=("P1 ")
script=${4:-fire}
micro_l1 "script=$script seed=$2 mark=${MARK:-500} out=e9 wait=1 processors=$processors"
lab_start_under_vmm --timeout 3000 --ips 4000000 --cpus "$processors"
wait_for "^READY" 1 120
type_line "run"
for prefix in "${prefixes[@]}"; do wait_for "^${prefix}MARK" 1 120; done
"$RELOAD_STORM" "$LINK" "$1" "$2" >"$WORK/storm.out" || { cat "$WORK/storm.out" >&2; die "the reloads failed"; }
# Round trips go on under the last profile too.
for prefix in "${prefixes[@]}"; do
    marks=$(grep -c "^${prefix}MARK" "$OUTPUT")
    wait_for "^${prefix}MARK" $((marks + 2)) 120
done
type_line "stop"
for prefix in "${prefixes[@]}"; do wait_for "^${prefix}DONE run" 1 120; done
"$SHADOWTUNE" status --link "$LINK" --format json >"$WORK/status.json"
type_line "quit"
lab_end

# of_vcpu NUMBER MEMBER: from the status.
of_vcpu() {
    sqlite3 :memory: "SELECT json_extract(value, '\$.$2') FROM json_each(readfile('$WORK/status.json'), '\$.vcpus')
        WHERE json_extract(value, '\$.vcpu') = $1"
}
generation=$(sed -n 's/.* generation=\([0-9]*\) .*/\1/p' "$WORK/storm.out")
for ((number = 0; number < processors; ++number)); do
    prefix=${prefixes[$number]}
    check_summary "$prefix"
    [ "$(of_vcpu "$number" generation)" = "$generation" ] || die "vCPU $number does not run the last generation"
    # The last exit may be being handled still.
    made=$(sed -n "s/^${prefix}RESULT name=$script trips=\([0-9]*\) .*/\1/p" "$OUTPUT")
    recorded=$(of_vcpu "$number" round_trips)
    [ "$recorded" = "$made" ] || [ "$recorded" = $((made - 1)) ] || die "vCPU $number: $recorded round trips counted, $made made"
    grep "^${prefix}RESULT name=$script" "$OUTPUT"
done
cat "$WORK/storm.out"
