#!/bin/bash
# linux_l1_autotune.sh STEADY DEVICES PAGING: Linux 6.1 as L1 under `shadowtune autotune`. STEADY round trips of a steady guest,
# then DEVICES of one whose devices are emulated, then PAGING of the first again with KVM's EPT switched off. What each change
# needs is in force within 5,000 round trips, and then hardly anything traps. While L1 does the same, the bitmaps stay: they
# change once more at most, and no field is dropped that comes back.
source "$(dirname "$0")/lab.sh"

steady=$1
devices=$2
paging=$3
database=$WORK/loop.db

linux_l1
# A snapshot takes the serial line a time in which a faster processor makes more round trips.
lab_start_under_vmm --ips 20000000 --timeout 7000
wait_for "^L1 ready" 1 300
"$SHADOWTUNE" autotune --link "$LINK" --db "$database" --interval 0.02 --timeout 300 -o "$WORK/last.json" >"$WORK/autotune.out" 2>&1 &
TUNER=$!
OTHER_PIDS+=("$TUNER")
until grep -q ' start ' "$WORK/autotune.out"; do
    kill -0 "$TUNER" 2>/dev/null || { cat "$WORK/autotune.out" >&2; die "autotune ended before it began"; }
    sleep 0.1
done

# The recorder holds the link: what it has stored tells how far L1 is.
so_far() { sqlite3 "$database" "SELECT coalesce(max(round_trips), 0) FROM snapshot_vcpu"; }

phases=()
# phase NAME LOOP EXITS: runs a loop, and writes down its first and last round trip.
phase() {
    local first
    first=$(so_far)
    type_line "$2 $3"
    wait_for "^done " $((${#phases[@]} + 1)) 3600
    sleep 0.5
    phases+=("$1 $first $(so_far)")
}
phase steady steady "$steady"
phase devices devices "$devices"
type_line "kvm ept=0"
wait_for "^L1 ready" 2 300
phase paging devices "$paging"
kill -INT "$TUNER"
wait "$TUNER" || die "autotune ended with code $?: $(cat "$WORK/autotune.out")"
OTHER_PIDS=()
type_line "quit"
lab_end
cat "$WORK/autotune.out"

query() { sqlite3 "$database" "$1"; }
[ "$(query "SELECT count(*) FROM decision WHERE action IN ('start', 'retune')")" -ge 4 ] || die "not every change was answered"
for phase in "${phases[@]}"; do
    read -r name first last <<<"$phase"
    # The first generation that was loaded for it, and where the last vCPU took it up.
    generation=$(query "SELECT min(generation) FROM decision WHERE action = 'retune' AND round_trips BETWEEN $first AND $last")
    [ -n "$generation" ] || die "$name: nothing was loaded"
    taken=$(query "SELECT min(round_trips) FROM snapshot_vcpu WHERE generation = $generation")
    retunes=$(query "SELECT count(*) FROM decision WHERE action = 'retune' AND round_trips BETWEEN $first AND $last")
    # Once 5,000 round trips of it are over.
    from=$(query "SELECT min(s.sequence) FROM snapshot s JOIN snapshot_vcpu v ON v.snapshot_id = s.id WHERE v.round_trips >= $first + 5000")
    to=$(query "SELECT max(s.sequence) FROM snapshot s JOIN snapshot_vcpu v ON v.snapshot_id = s.id WHERE v.round_trips <= $last")
    "$SHADOWTUNE" report "$database" --snapshots "$from:$to" --format json >"$WORK/$name.json" || die "no report of $name"
    trapped=$(query "SELECT json_extract(readfile('$WORK/$name.json'), '\$.trapped_per_round_trip')")
    echo "RESULT name=$name round_trips=$((last - first)) in_force_after=$((taken - first)) retunes=$retunes trapped_afterwards=$trapped"
    [ $((taken - first)) -le 5000 ] || die "$name: in force after $((taken - first)) round trips only"
    [ "$retunes" -le 2 ] || die "$name: $retunes changes of what does not change"
    awk -v trapped="$trapped" 'BEGIN {exit !(trapped < 0.1)}' || die "$name: $trapped accesses per round trip still trap"
done
back=$(query "SELECT count(*) FROM decision_change d JOIN decision_change e USING (recording_id, encoding)
    WHERE d.after < d.before AND e.after > e.before AND e.number > d.number")
[ "$back" -eq 0 ] || die "$back fields were dropped and came back"
