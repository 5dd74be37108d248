# Sourced by the micro-L1's system tests: starts the lab, types lines, waits for lines, cleans up.
#
# SHADOWTUNE: the program (default: bin/shadowtune of the build); MICRO_L1: the kernel. Every wait has an end.
set -euo pipefail

SHADOWTUNE=${SHADOWTUNE:-build/release/bin/shadowtune}
MICRO_L1=${MICRO_L1:-build/release/bin/micro-l1.elf}
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

for file in "$SHADOWTUNE" "$MICRO_L1"; do
    [ -e "$file" ] || die "$file is not there; build it first"
done

# lab_start COMMAND-LINE OPTION...: lines typed with type_line reach L1 once it has printed READY (wait=1).
lab_start() {
    local words=$1
    shift
    mkfifo "$WORK/input"
    : >"$OUTPUT"
    exec 3<>"$WORK/input"
    "$SHADOWTUNE" lab run --l1 "multiboot:$MICRO_L1" --memory 128 --input-after READY \
        --cmdline "$words" "$@" <&3 >"$OUTPUT" 2>"$WORK/lab.err" 3>&- &
    LAB_PID=$!
}

lab_start_under_vmm() {
    local words=$1
    shift
    lab_start "$words" --link "$LINK" "$@"
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

# No FAIL line, at least one PASS, and a SUMMARY that agrees.
check_summary() {
    if grep -q '^FAIL' "$OUTPUT"; then die "the micro-L1 reports failures"; fi
    grep -q '^PASS' "$OUTPUT" || die "the micro-L1 passed nothing"
    grep -q '^SUMMARY passes=[1-9][0-9]* failures=0 ' "$OUTPUT" || die "no clean SUMMARY"
}
