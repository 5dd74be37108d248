#!/bin/bash
# A BIOS boot disk as L1: it starts in real mode as a BIOS starts it, the BIOS serves it, and the memory that INT 15H tells
# of is the machine's without L0's 40 MiB (docs/limits.md). All else that it prints is what it prints on the bare processor.
source "$(dirname "$0")/lab.sh"
need "$BOOT_DISK"
L1=(--l1 "disk:$BOOT_DISK" --memory 128 --timeout 60)

lab_start --bare
lab_end
mv "$OUTPUT" "$WORK/bare"
lab_start_under_vmm
lab_end

grep -q '^DONE' "$WORK/bare" || die "the disk did not run to its end on the bare processor"
! grep -q FAIL "$WORK/bare" "$OUTPUT" || die "a service of the BIOS fails"
[ "$(grep -cx '1 REFUSED' "$OUTPUT")" -eq 3 ] || die "INT 15H, E820H answers what it must refuse"
# The memory's lines come from the map, in which L0's region is reserved.
memory='^(E820|E801|88|. REFUSED)'
diff -u <(grep -Ev "$memory" "$WORK/bare") <(grep -Ev "$memory" "$OUTPUT") >&2 || die "results differ (bare above, VMM below)"

# bytes_of_type FILE TYPE: how much of the map is of this type. An entry: base, length, each as two halves; type.
bytes_of_type() {
    local word high low type total=0
    while read -r word _ _ high low type; do
        if [ "$word" = E820 ] && [ "$type" = "$2" ]; then total=$((total + (16#$high << 32) + 16#$low)); fi
    done <"$1"
    echo "$total"
}
l0=$((40 << 20))
bare_ram=$(bytes_of_type "$WORK/bare" 00000001)
vmm_ram=$(bytes_of_type "$OUTPUT" 00000001)
[ "$((bare_ram - vmm_ram))" -eq "$l0" ] || die "RAM is $bare_ram bytes bare and $vmm_ram under the VMM: 40 MiB less expected"
[ "$(($(bytes_of_type "$OUTPUT" 00000002) - $(bytes_of_type "$WORK/bare" 00000002)))" -eq "$l0" ] || die "L0's region is not reserved"

# E801H counts 64-KiB blocks above 16 MiB up to L0's region, which is the first hole there; 88H counts KiB above 1 MiB.
top=$((16#100000 + 16#$(sed -n 's/^E820 00000000 00100000 00000000 \([0-9a-f]*\) 00000001 $/\1/p' "$OUTPUT")))
expected=$(printf 'E801 0 %08x %08x %08x %08x ' 0x3c00 $(((top - (16 << 20)) >> 16)) 0x3c00 $(((top - (16 << 20)) >> 16)))
grep -qx "$expected" "$OUTPUT" || die "INT 15H, E801H: '$expected' expected"
extended=$(((top >> 10) - 1024))
grep -qx "$(printf '88 %08x ' $((extended < 0xfc00 ? extended : 0xfc00)))" "$OUTPUT" || die "INT 15H, 88H: more than 1 MiB to L0's region"
cat "$OUTPUT"
