# Sourced after tests/system/lab.sh: a lab whose Bochs prints its instructions while it is asked to.
#
# $WORK/steps.1, $WORK/steps.2 ...: the windows, a line for each instruction: physical address, RIP, mnemonic.

BOCHS=$(command -v bochs) || die "bochs is not installed: run scripts/setup"
PATH=$WORK/bin:$PATH

# trace_begin STEPS [PROGRAM]: before lab_start. Each trace_window prints so many instructions. PROGRAM: of awk, reads them instead
# (split_trace.awk).
trace_begin() {
    mkdir -p "$WORK/bin"
    rm -f "$WORK"/steps.* "$WORK/bochs.pid" "$WORK/trace"
    mkfifo "$WORK/trace"
    # Bochs goes on until it is interrupted, prints a window, and goes on. It ends with the machine.
    cat >"$WORK/bin/bochs" <<TEXT
#!/bin/bash
for i in {1..2000}; do printf 'c\ntrace on\ns %s\ntrace off\n' $1; done >traced
arguments=()
for a in "\$@"; do [ "\$a" = commands ] && a=traced; arguments+=("\$a"); done
echo \$\$ >$WORK/bochs.pid
exec $BOCHS "\${arguments[@]}" -dbglog $WORK/trace
TEXT
    chmod +x "$WORK/bin/bochs"
    awk -v windows="$WORK/steps." -f "${2:-$ROOT/bench/split_trace.awk}" "$WORK/trace" &
    TRACE_PID=$!
}

# A window soon, unless the machine has not begun.
request_window() { kill -INT "$(cat "$WORK/bochs.pid")"; }

# Of a machine that runs. Returns when the window is whole, for another request would cut it short; or when the machine has ended.
trace_window() {
    local whole deadline=$((SECONDS + 120))
    whole=$(grep -ac "Tracing disabled" "$OUTPUT" || true)
    request_window
    while [ "$(grep -ac "Tracing disabled" "$OUTPUT" || true)" -eq "$whole" ]; do
        kill -0 "$LAB_PID" 2>/dev/null || break
        [ "$SECONDS" -lt "$deadline" ] || die "Bochs printed no whole window in 120 s"
        sleep 0.1
    done
}

# After the lab's end.
trace_end() { wait "$TRACE_PID" || die "Bochs' trace could not be read"; rm -f "$WORK/trace"; }
