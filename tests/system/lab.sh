# Sourced by the system tests: starts the lab, types lines, waits for lines, cleans up. Every wait has an end.
#
# SHADOWTUNE: the program (default: bin/shadowtune of the build); MICRO_L1: the micro-L1; ASSETS: Linux, its initramfs.
set -euo pipefail

SHADOWTUNE=${SHADOWTUNE:-build/release/bin/shadowtune}
MICRO_L1=${MICRO_L1:-build/release/bin/micro-l1.elf}
BOOT_DISK=${BOOT_DISK:-build/release/bin/boot-disk.img}
ASSETS=${ASSETS:-build/assets/linux-6.1}
# What boots: micro_l1 or linux_l1 sets it.
L1=()
WORK=$(mktemp -d)
LINK=$WORK/link.sock
OUTPUT=$WORK/l1.out
LAB_PID=
OTHER_PIDS=()

die() {
    echo "FAILED: $*" >&2
    if [ -s "$WORK/lab.err" ]; then tail -n 5 "$WORK/lab.err" >&2; fi
    if [ -s "$OUTPUT" ]; then grep -E '^(FAIL|MISMATCH)' "$OUTPUT" | head -n 20 >&2 || true; fi
    if [ -s "$OUTPUT" ]; then grep -v '^COUNT' "$OUTPUT" | tail -n 20 >&2; fi
    exit 1
}

clean_up() {
    local pid
    for pid in $LAB_PID ${OTHER_PIDS[@]+"${OTHER_PIDS[@]}"}; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$WORK"
}
trap clean_up EXIT

need() {
    local file
    for file in "$@"; do [ -e "$file" ] || die "$file is not there: run scripts/setup, build, scripts/make-initramfs"; done
}
need "$SHADOWTUNE"

# micro_l1 WORDS: the micro-L1, which reads lines once it has printed READY (wait=1).
micro_l1() {
    need "$MICRO_L1"
    L1=(--l1 "multiboot:$MICRO_L1" --memory 128 --input-after READY --cmdline "$1")
}

# linux_l1: Linux 6.1 with KVM, which serves the L2 workload.
linux_l1() {
    need "$ASSETS/vmlinuz" "$ASSETS/initramfs.cpio.lz4"
    L1=(--l1 "linux:$ASSETS/vmlinuz" --initrd "$ASSETS/initramfs.cpio.lz4" --input-after "L1 ready"
        --cmdline "console=ttyS0,115200 quiet mitigations=off nokaslr cryptomgr.notests")
}

# lab_start OPTION...: boots what L1 says.
lab_start() {
    mkfifo "$WORK/input"
    : >"$OUTPUT"
    exec 3<>"$WORK/input"
    "$SHADOWTUNE" lab run "${L1[@]}" "$@" <&3 >"$OUTPUT" 2>"$WORK/lab.err" 3>&- &
    LAB_PID=$!
}

lab_start_under_vmm() { lab_start --link "$LINK" "$@"; }

# record_begin DATABASE OPTION...: a recorder whose first snapshot has been taken; record_end takes the last one. Between them
# it takes one each RECORD_INTERVAL seconds, where that is set.
record_begin() {
    local database=$1 deadline=$((SECONDS + 120)) before
    shift
    before=$(sqlite3 "$database" 'SELECT count(*) FROM snapshot' 2>/dev/null || echo 0)
    "$SHADOWTUNE" record --link "$LINK" --db "$database" --interval "${RECORD_INTERVAL:-3600}" --timeout 900 "$@" >"$WORK/record.out" 2>&1 &
    RECORDER=$!
    OTHER_PIDS+=("$RECORDER")
    until [ "$(sqlite3 "$database" 'SELECT count(*) FROM snapshot' 2>/dev/null || echo 0)" -gt "$before" ]; do
        kill -0 "$RECORDER" 2>/dev/null || { cat "$WORK/record.out" >&2; die "the recorder ended before its first snapshot"; }
        [ "$SECONDS" -lt "$deadline" ] || die "no snapshot in 120 s"
        sleep 0.2
    done
}

record_end() {
    local code=0
    kill -INT "$RECORDER"
    wait "$RECORDER" || code=$?
    OTHER_PIDS=()
    [ "$code" -eq 0 ] || { cat "$WORK/record.out" >&2; die "the recorder ended with code $code"; }
}

# tune_whole RECORDING PROFILE: for all that was recorded, whatever phases it has.
tune_whole() { "$SHADOWTUNE" tune "$1" --phase all -o "$2" >"$WORK/tune.out" 2>&1 || die "no profile: $(cat "$WORK/tune.out")"; }

# apply_unmeasured PROFILE, or --list NAME: in force when it returns.
apply_unmeasured() {
    "$SHADOWTUNE" apply "$@" --measure 0 --link "$LINK" --timeout 300 >"$WORK/apply.out" 2>&1 || die "not in force: $(cat "$WORK/apply.out")"
}

type_line() { echo "$1" >&3; }

# wait_for PATTERN TIMES SECONDS: until so many lines of L1's output match.
wait_for() {
    local deadline=$((SECONDS + $3))
    while [ "$(grep -sc -- "$1" "$OUTPUT" || true)" -lt "$2" ]; do
        kill -0 "$LAB_PID" 2>/dev/null || { grep -q -- "$1" "$OUTPUT" && return 0; die "the lab ended before '$1' was seen $2 times"; }
        [ "$SECONDS" -lt "$deadline" ] || die "'$1' was not seen $2 times in $3 s"
        sleep 0.2
    done
}

# The machine must end by powering off: exit code 0.
lab_end() {
    local code=0
    wait "$LAB_PID" || code=$?
    LAB_PID=
    exec 3>&-
    [ "$code" -eq 0 ] || die "the lab run ended with code $code"
    rm -f "$WORK/input"
}

# check_summary [PREFIX]: no FAIL line, at least one PASS, and a SUMMARY that agrees. PREFIX: "P1 " for the second processor.
check_summary() {
    if grep -q "^${1:-}FAIL" "$OUTPUT"; then die "the micro-L1 reports failures"; fi
    grep -q "^${1:-}PASS" "$OUTPUT" || die "the micro-L1 passed nothing"
    grep -q "^${1:-}SUMMARY passes=[1-9][0-9]* failures=0 " "$OUTPUT" || die "no clean SUMMARY"
}

# check_counts DATABASE VCPU PREFIX TRIPS: the counts that the micro-L1's processor printed, against the largest cumulative
# count of each counter of the vCPU, to the last access; and its round trips. Leaves the counts in $WORK/l1.counts.
# Sampled accesses are counted by field, so where there are some the high halves of both sides are added to it.
check_counts() {
    local recorded mask=0xffff
    [ "$(sqlite3 "$1" 'SELECT count(*) FROM sampled_count')" -eq 0 ] || mask=0xfffe
    sqlite3 -separator ' ' "$1" \
        "SELECT printf('0x%x', encoding & $mask), CASE access WHEN 0 THEN 'read' ELSE 'write' END, reason, sum(last) FROM (
             SELECT encoding, access, reason, max(count) AS last FROM access_count WHERE vcpu = $2 GROUP BY 1, 2, 3
             UNION ALL
             SELECT encoding, access, reason, max(count) FROM sampled_count WHERE vcpu = $2 GROUP BY 1, 2, 3)
         GROUP BY 1, 2, 3 HAVING sum(last) > 0" | sort >"$WORK/l0.counts"
    sed -n "s/^$3COUNT //p" "$OUTPUT" | while read -r encoding access reason count; do
        printf '0x%x %s %s %s\n' $((encoding & mask)) "$access" "$reason" "$count"
    done | awk '{n[$1 " " $2 " " $3] += $4} END {for (key in n) print key, n[key]}' | sort >"$WORK/l1.counts"
    [ -s "$WORK/l1.counts" ] || die "the micro-L1 printed no counts"
    diff "$WORK/l1.counts" "$WORK/l0.counts" | head -n 20 >"$WORK/difference" || true
    if [ -s "$WORK/difference" ]; then
        cat "$WORK/difference" >&2
        die "counts of vCPU $2 differ (< L1's own, > recorded by L0)"
    fi
    # The last exit is still being handled: its round trip ends at the next VMRESUME, which does not come.
    recorded=$(sqlite3 "$1" "SELECT max(round_trips) FROM snapshot_vcpu WHERE vcpu = $2")
    [ "$recorded" -eq $(($4 - 1)) ] || [ "$recorded" -eq "$4" ] || die "$recorded round trips recorded of vCPU $2, $4 made"
    echo "vCPU $2 exact: $(awk '{n += $4} END {print n}' "$WORK/l1.counts") accesses in $(wc -l <"$WORK/l1.counts") counters, $recorded round trips"
}
