#!/bin/bash
# linux_l1_processors.sh EXITS RELOADS: Linux brings up the machine's second processor, and its KVM runs an L2 on each at once,
# pinned there: CPUIDs on the first, OUTs on the second. Round trips and accesses of each vCPU are what its own L2 makes, to
# the last round trip; then again while profiles are reloaded, each in force on both. L2's results are the bare processor's.
source "$(dirname "$0")/lab.sh"

exits=$1
reloads=$2
database=$WORK/processors.db
RELOAD_STORM=${RELOAD_STORM:-$(dirname "$SHADOWTUNE")/reload-storm}
need "$RELOAD_STORM"
# Of the processors 0 and 1.
workloads=(cpuid out)

linux_l1
lab_start --bare --ips 50000000 --timeout 900
for workload in "${workloads[@]}"; do type_line "$workload $exits"; done
type_line "quit"
lab_end
wanted=()
for workload in "${workloads[@]}"; do
    wanted+=("$(sed -n "s/^$workload exits=$exits result=\([0-9a-f]*\).*/\1/p" "$OUTPUT")")
    [ -n "${wanted[-1]}" ] || die "$workload gave no result on the bare processor"
done

linux_l1
lab_start_under_vmm --ips 50000000 --timeout 3400 --cpus 2
wait_for "^L1 ready" 1 300

# of_vcpu NUMBER MEMBER: what the status says now.
of_vcpu() {
    "$SHADOWTUNE" status --link "$LINK" --format json >"$WORK/status.json"
    sqlite3 :memory: "SELECT json_extract(value, '\$.$2') FROM json_each(readfile('$WORK/status.json'), '\$.vcpus')
        WHERE json_extract(value, '\$.vcpu') = $1"
}

# run EXITS: on both at once; wait_runs TIMES SECONDS: until so many have ended on each.
run() {
    local number
    for number in 0 1; do type_line "${workloads[$number]} $1 $number"; done
}
wait_runs() {
    local number
    for number in 0 1; do wait_for "^done ${workloads[$number]} processor=$number" "$1" "$2"; done
    ! grep -q '^failed' "$OUTPUT" || die "a workload failed"
}

# A first run makes each L2 guest, which touches most fields once.
run 50
wait_runs 1 120
for number in 0 1; do
    [ "$(of_vcpu "$number" l1_state)" = "in VMX operation" ] || die "vCPU $number runs no KVM: $(cat "$WORK/status.json")"
done
record_begin "$database" --mode trap
run "$exits"
wait_runs 2 1800
record_end

# made VCPU TABLE WHERE: the recording's last snapshot minus its first.
made() {
    sqlite3 "$database" "SELECT coalesce(sum(last - first), 0) FROM (SELECT max(count) AS last,
            coalesce(max(count) FILTER (WHERE sequence = 1), 0) AS first
        FROM $2 JOIN snapshot ON snapshot.id = snapshot_id WHERE vcpu = $1 AND $3 GROUP BY reason)"
}
# The first run's last exit, an OUT, is a round trip that ends with the second run's first entry; the second run's own last one
# goes on.
cpuids=("$exits" 0)
outs=(1 $((exits + 1)))
for number in 0 1; do
    got="$(made "$number" round_trip_count "reason = 10") $(made "$number" round_trip_count "reason = 30")"
    [ "$got" = "${cpuids[$number]} ${outs[$number]}" ] ||
        die "vCPU $number: $got round trips of CPUID and OUT, ${cpuids[$number]} ${outs[$number]} made"
done

# check VCPU REASON TRIPS SLACK FIELD...: KVM reads each of these fields once in each such round trip (linux_l1_rates.sh).
check() {
    local vcpu=$1 reason=$2 trips=$3 slack=$4 field reads
    shift 4
    for field in "$@"; do
        reads=$(made "$vcpu" "access_count JOIN field USING (encoding)" "access = 0 AND reason = $reason AND symbol = '$field'")
        [ $((reads - trips)) -le "$slack" ] && [ $((trips - reads)) -le "$slack" ] ||
            die "vCPU $vcpu, reason $reason: $reads reads of $field in $trips round trips"
    done
    echo "vCPU $vcpu: $trips round trips of reason $reason, $# fields read once in each, within $slack"
}
every_exit=(exit_reason idt_vectoring_information guest_interruptibility_state guest_rip guest_rflags
    vm_exit_instruction_length)
# A timer interrupt of L1's may come between the exit and the entry, and KVM look again: one in 1,000 at the most.
check 0 10 "$exits" $((exits / 1000)) "${every_exit[@]}"
# Each run's last OUT is left half handled: KVM skips the instruction when it is to run L2 again.
check 1 30 $((exits + 1)) $((1 + exits / 1000)) "${every_exit[@]}" exit_qualification guest_cs_base
[ "$(made 1 access_count "reason = 10")" -eq 0 ] || die "vCPU 1 has accesses of the other one's CPUIDs"

# The tools show the same.
"$SHADOWTUNE" report "$database" --vcpu 0 --by-reason --format csv >"$WORK/report.csv"
grep -q "^CPUID,$exits,exit_reason,0x4402,$exits," "$WORK/report.csv" || die "report --vcpu 0 does not have CPUID's $exits round trips"
"$SHADOWTUNE" report "$database" --vcpu 1 --by-reason --format csv >"$WORK/report.csv"
! grep -q '^CPUID,' "$WORK/report.csv" || die "report --vcpu 1 has round trips of CPUID"

# Under fire: one run after the other until the reloads are through.
"$RELOAD_STORM" "$LINK" "$reloads" 1 >"$WORK/storm.out" 2>&1 &
storm=$!
OTHER_PIDS+=("$storm")
ended() { grep -c "^done ${workloads[$1]} processor=$1" "$OUTPUT" || true; }
typed=(2 2)
while kill -0 "$storm" 2>/dev/null; do
    for number in 0 1; do
        [ "$(ended "$number")" -eq "${typed[$number]}" ] || continue
        type_line "${workloads[$number]} $exits $number"
        typed[$number]=$((typed[$number] + 1))
    done
    sleep 0.2
done
wait "$storm" || { cat "$WORK/storm.out" >&2; die "the reloads failed"; }
OTHER_PIDS=()
for number in 0 1; do wait_for "^done ${workloads[$number]} processor=$number" "${typed[$number]}" 1800; done
! grep -q '^failed' "$OUTPUT" || die "a workload failed"
generation=$(sed -n 's/.* generation=\([0-9]*\) .*/\1/p' "$WORK/storm.out")
for number in 0 1; do
    [ "$(of_vcpu "$number" generation)" = "$generation" ] || die "vCPU $number does not run the last generation"
    # One from the recorded run, the others under fire.
    results=$(sed -n "s/^${workloads[$number]} exits=$exits result=\([0-9a-f]*\) processor=$number.*/\1/p" "$OUTPUT")
    [ "$(wc -l <<<"$results")" -eq $((typed[number] - 1)) ] && [ "$(sort -u <<<"$results")" = "${wanted[$number]}" ] ||
        die "processor $number: results $results, ${wanted[$number]} on the bare processor"
    echo "processor $number: $((typed[number] - 2)) runs of ${workloads[$number]} under fire"
done
cat "$WORK/storm.out"
type_line "quit"
lab_end
