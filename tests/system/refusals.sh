#!/bin/bash
# What the VMM cannot work with ends in one line that names the mend, and in the exit code that docs/cli.md lists.
source "$(dirname "$0")/lab.sh"

# refused CODE PATTERN OPTION...
refused() {
    local code=0 expected=$1 pattern=$2
    shift 2
    "$SHADOWTUNE" lab run --quiet --timeout 120 "$@" </dev/null >"$OUTPUT" 2>&1 || code=$?
    [ "$code" -eq "$expected" ] || die "$*: exit code $code, expected $expected"
    [ "$(grep -c "$pattern" "$OUTPUT")" -eq 1 ] || die "$*: no line with '$pattern'"
    grep "$pattern" "$OUTPUT"
}

micro=(--l1 "multiboot:$MICRO_L1" --memory 128)
refused 22 "^shadowtune: cannot start: .*no EPT" "${micro[@]}" --cpu-model core2_penryn_t9600
refused 22 "^shadowtune: cannot start: .*no VMCS shadowing" "${micro[@]}" --cpu-model corei7_ivy_bridge_3770k
refused 22 "^shadowtune: cannot start: .*no VMX" "${micro[@]}" --cpu-model p4_prescott_celeron_336
refused 22 "^shadowtune: cannot start: .*memory" --l1 "multiboot:$MICRO_L1" --memory 32
refused 4 "^lab: .*not a Linux bzImage" --l1 "linux:$MICRO_L1"
refused 4 "^lab: .*/nonexistent" --l1 "linux:/nonexistent"
