#!/bin/bash
# calibrate.sh EXITS ROUNDS: what the cost model predicts of each set of fields against what is measured under it. The lab's
# processor is calibrated, each workload of Linux' KVM recorded once with every access trapped, and then run under each set,
# in one boot. The ticks of a round trip, L0's and L1's, must be predicted within 3 %.
source "$(dirname "$0")/lab.sh"

exits=$1
rounds=$2
costs=${COSTS:-$WORK/costs.db} # COSTS: a calibration of this processor made before
database=$WORK/trap.db
workloads=(steady mix)
lists=(none kvm xen all)

[ -e "$costs" ] || "$SHADOWTUNE" calibrate --lab --db "$costs" --rounds "$rounds" || die "no calibration"

# ticks_and_trips: of vCPU 0, since power-on.
ticks_and_trips() {
    "$SHADOWTUNE" status --link "$LINK" --timeout 300 --format json >"$WORK/status.json"
    sqlite3 -separator ' ' :memory: "SELECT j->>'\$.vcpus[0].round_trip_ticks', j->>'\$.vcpus[0].round_trips'
        FROM (SELECT readfile('$WORK/status.json') AS j)"
}

# run_workload NAME: to its end.
run_workload() {
    local before
    before=$(grep -sc "^done $1" "$OUTPUT" || true)
    type_line "$1 $exits"
    wait_for "^done $1" $((before + 1)) 600
}

linux_l1
# The default ips: L1's timer interrupts, whose number goes by the ticks, are rare.
lab_start_under_vmm --timeout 1800
wait_for "^L1 ready" 1 300

for workload in "${workloads[@]}"; do
    run_workload "$workload" # makes the L2 guest, which touches most fields once
    record_begin "$database" --mode trap --label "$workload"
    run_workload "$workload"
    record_end
done
for i in "${!workloads[@]}"; do
    "$SHADOWTUNE" tune "$database:$((i + 1))" --phase all --costs "$costs" -o "$WORK/${workloads[i]}.json" >"$WORK/tune.txt" 2>&1 ||
        die "$(cat "$WORK/tune.txt")"
    "$SHADOWTUNE" simulate "$database" --recording $((i + 1)) --costs "$costs" --profile "$WORK/${workloads[i]}.json" \
        --format csv >"$WORK/${workloads[i]}.csv" || die "no prediction"
done

# predicted WORKLOAD SET: the ticks of its last row, for the profile has the workload's name.
predicted() { awk -F, -v set="$2" '$1 == set { ticks = $9 } END { print ticks }' "$WORK/$1.csv"; }

failed=0
check() {
    local workload=$1 set=$2 before after
    before=$(ticks_and_trips)
    run_workload "$workload"
    after=$(ticks_and_trips)
    echo "$before $after" | awk -v workload="$workload" -v set="$set" -v predicted="$(predicted "$workload" "$set")" '{
        measured = ($3 - $1) / ($4 - $2)
        off = 100 * (predicted - measured) / measured
        printf "%-6s %-6s predicted %8.0f measured %8.0f off by %+.2f %%\n", workload, set, predicted, measured, off
        exit off > 3 || off < -3 }' || failed=1
}
for set in "${lists[@]}"; do
    "$SHADOWTUNE" apply --list "$set" --measure 0 --link "$LINK" --timeout 300 >/dev/null || die "the list $set is refused"
    for workload in "${workloads[@]}"; do check "$workload" "$set"; done
done
for workload in "${workloads[@]}"; do
    "$SHADOWTUNE" apply "$WORK/$workload.json" --measure 0 --link "$LINK" --timeout 300 >/dev/null || die "the tuned profile is refused"
    check "$workload" "$workload"
done
type_line "quit"
lab_end
[ "$failed" -eq 0 ] || die "a prediction is off by more than 3 %"
