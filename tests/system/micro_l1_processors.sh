#!/bin/bash
# micro_l1_processors.sh TRIPS SEED [FAULTS]: the micro-L1 on two processors at once, each with its own VMCS, script and table
# of accesses. L0's recorded counts of each vCPU equal that processor's own, for every encoding, access and exit reason.
# Snapshots are taken meanwhile, and none may go back. FAULTS: as for `lab run --link-faults`.
source "$(dirname "$0")/lab.sh"

trips=$1
database=$WORK/counts.db
# A table of 20,000 counters is 240 KB of link: at a low ips a byte costs few instructions.
micro_l1 "script=trips seed=$2 trips=$trips counts=1 out=e9 wait=1 processors=2"
lab_start_under_vmm --cpus 2 --timeout 3400 --ips 4000000 ${3:+--link-faults "$3"}
wait_for "^READY" 1 120
RECORD_INTERVAL=$((1 + trips / 10000)) record_begin "$database" --mode trap
type_line "run"
wait_for '^DONE run' 1 3300
wait_for '^P1 DONE run' 1 3300
record_end
type_line "quit"
lab_end
check_summary
check_summary "P1 "
check_counts "$database" 0 "" "$trips"
mv "$WORK/l1.counts" "$WORK/first.counts"
check_counts "$database" 1 "P1 " "$trips"
# Two scripts, not one twice.
! cmp -s "$WORK/first.counts" "$WORK/l1.counts" || die "both processors made the same accesses"
echo "$(sqlite3 "$database" 'SELECT max(sequence) FROM snapshot') snapshots"
