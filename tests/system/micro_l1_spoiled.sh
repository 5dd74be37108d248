#!/bin/bash
# The micro-L1's checks can fail: with a field changed behind its model's back, some of the times before it is written again, it
# must say so, and which field.
source "$(dirname "$0")/lab.sh"

micro_l1 "script=trips trips=2000 spoil=100"
lab_start --bare --timeout 280
lab_end
grep -q '^MISMATCH .*field=guest_ia32_sysenter_esp' "$OUTPUT" || die "the spoiled field was not noticed"
grep -q '^FAIL trips' "$OUTPUT" || die "the run with spoiled fields passed"
grep '^MISMATCH' "$OUTPUT"
