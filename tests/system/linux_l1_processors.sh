#!/bin/bash
# linux_l1_processors.sh PROCESSORS: Linux as L1 brings up all processors of the machine by INIT and start-up IPIs, each of
# them under the VMM, and runs L2 as it does on one.
source "$(dirname "$0")/lab.sh"

processors=$1
linux_l1
lab_start_under_vmm --ips 50000000 --timeout 900 --cpus "$processors"
wait_for "^L1 ready" 1 500
"$SHADOWTUNE" status --link "$LINK" --format json >"$WORK/status.json"
started=$(sqlite3 :memory: "SELECT count(*) FROM json_each(readfile('$WORK/status.json'), '\$.vcpus')
    WHERE json_extract(value, '\$.l1_state') IN ('running', 'in VMX operation')")
[ "$started" -eq "$processors" ] || { cat "$WORK/status.json" >&2; die "L1 runs on $started of $processors processors"; }
type_line "cpuid 500"
wait_for '^done cpuid' 1 120
grep '^cpuid exits=500 result=589661480000000000000000' "$OUTPUT" || die "another result than on one processor"
type_line "quit"
lab_end
