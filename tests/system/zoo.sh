#!/bin/bash
# zoo.sh [NAME...]: members of the zoo give under the VMM the results that they give bare, trapped and tuned; tuned, less traps
# than with KVM's static list, and less than a tenth of an access per round trip.
# SHADOWTUNE, ZOO: other places than those of the tree.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/scripts/zoo" --out "$work" "$@" | tee "$work/table" || exit 1
rows=0
while IFS='|' read -r _ name trips _ _ _ _ before kvm_list after _; do
    rows=$((rows + 1))
    awk -v trips="${trips//,/}" -v before="$before" -v kvm_list="$kvm_list" -v after="$after" \
        'BEGIN { exit !(trips >= 1000 && before > 5 && after < kvm_list && after < before / 10) }' ||
        { echo "FAILED:$name: a figure is out of its bounds" >&2; exit 1; }
done < <(tail -n +3 "$work/table")
[ "$rows" -gt 0 ] || { echo "FAILED: no member was measured" >&2; exit 1; }
