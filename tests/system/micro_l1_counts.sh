#!/bin/bash
# micro_l1_counts.sh TRIPS SEED [MODEL [FAULTS]]: L0's recorded counts equal the micro-L1's own, for every encoding, access and
# exit reason; and so does the number of round trips. FAULTS: as for `lab run --link-faults`, for example 7,1/100.
# The variable SAMPLE, a number, has one of so many round trips sampled: those and the others together are all accesses.
source "$(dirname "$0")/lab.sh"

trips=$1
seed=$2
model=${3:-corei7_haswell_4770}
faults=${4:-}
database=$WORK/counts.db
command -v sqlite3 >/dev/null || die "sqlite3 is missing; install the package sqlite3"

# A table of 8,000 counters is 100 KB of link: at a low ips a byte costs few instructions.
micro_l1 "script=trips seed=$seed trips=$trips counts=1 out=e9 wait=1"
lab_start_under_vmm --cpu-model "$model" --timeout 1500 --ips 50000000 \
    ${faults:+--link-faults "$faults"}
wait_for "^READY" 1 120

# Every access exits: in mode trap, and in mode sample with an empty profile. The first snapshot comes before L1's first one.
mode=trap
if [ -n "${SAMPLE:-}" ]; then
    catalogue=$("$SHADOWTUNE" version | grep -o "0x[0-9A-F]*")
    echo "{\"schema\": \"shadowtune-profile\", \"schema_version\": 2, \"catalogue_version\": \"$catalogue\", \"name\": \"empty\", \"fields\": []}" >"$WORK/empty.json"
    apply_unmeasured "$WORK/empty.json"
    mode=sample:$SAMPLE
fi
record_begin "$database" --mode "$mode"

type_line "run"
wait_for '^DONE run' 1 700
# L1 waits for a line and accesses nothing.
record_end
[ "$(sqlite3 "$database" 'SELECT max(sequence) FROM snapshot')" -ge 2 ] ||
    die "the recorder got no snapshot after the run"
type_line "quit"
lab_end
check_summary

check_counts "$database" 0 "" "$trips"
if [ -n "${SAMPLE:-}" ]; then
    sampled=$(sqlite3 "$database" "SELECT sum(last) FROM (SELECT max(count) AS last FROM sampled_round_trip_count GROUP BY reason)")
    # Within five standard deviations.
    awk -v n="$trips" -v of="$SAMPLE" -v sampled="$sampled" \
        'BEGIN {d = sampled - n / of; exit !(d * d < 25 * n / of)}' || die "$sampled of $trips round trips are sampled"
    echo "$sampled round trips sampled, one of $SAMPLE"
fi

# L1 is offered every field that the processor has.
physical=$(sqlite3 "$database" "SELECT count(*) FROM machine_field WHERE physical = 1")
offered=$(sqlite3 "$database" "SELECT count(*) FROM machine_field WHERE physical = 1 AND offered = 1")
[ "$physical" -gt 0 ] && [ "$offered" -eq "$physical" ] || die "$offered of the processor's $physical fields are offered"

# Every one has been read, and every one that L1 may write has been written: read-only data only
# where L1 sees IA32_VMX_MISC[29] (485H).
offered_fields="SELECT count(*) FROM machine_field JOIN field USING (encoding) WHERE offered = 1 AND physical = 1"
any_field=$(sqlite3 "$database" "SELECT (offered >> 29) & 1 FROM capability_msr WHERE msr = 0x485")
for access in read write; do
    only=
    if [ "$access" = write ] && [ "$any_field" -eq 0 ]; then only="AND type <> 'read-only data'"; fi
    offered=$(sqlite3 "$database" "$offered_fields $only")
    counted=$(awk -v access="$access" '$2 == access {print $1}' "$WORK/l1.counts" |
        while read -r encoding; do echo $((encoding & ~1)); done | sort -u | wc -l)
    [ "$offered" -gt 0 ] && [ "$counted" -eq "$offered" ] || die "$counted fields have a $access, $offered are offered"
    echo "$access: all of $offered fields"
done
