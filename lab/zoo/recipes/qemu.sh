# Sourced by recipes after common.sh: Debian's QEMU, its small program for the machine "microvm", in the directory $qemu.

qemu=$ZOO/.qemu
program=usr/bin/qemu-system-x86_64-microvm

# The program, the firmware that it loads, and every library that one of them needs.
fetch_qemu() {
    local packages root=$qemu.deb libraries todo file library
    zoo_apt_begin bookworm amd64
    say "fetching QEMU of Debian 12 and its libraries"
    rm -rf "$root" "$qemu.new"
    packages=$(zoo_closure qemu-system-x86)
    # shellcheck disable=SC2086  # one package a word
    zoo_download "$root/debs" $packages
    for file in "$root"/debs/*.deb; do
        dpkg-deb --extract "$file" "$root/files" || fail "cannot unpack $file: try again"
    done
    mkdir -p "$qemu.new/lib64" "$qemu.new/lib/x86_64-linux-gnu" "$qemu.new/usr/bin" "$qemu.new/usr/share/qemu"
    cp "$root/files/$program" "$qemu.new/usr/bin/"
    cp -L "$root/files/lib64/ld-linux-x86-64.so.2" "$qemu.new/lib64/"
    cp -L "$root"/files/usr/share/qemu/{bios-microvm.bin,qboot.rom,linuxboot_dma.bin,pvh.bin} "$qemu.new/usr/share/qemu/" ||
        fail "Debian's QEMU lacks its firmware: remove $root and try again"
    todo=("$root/files/$program")
    while [ ${#todo[@]} -gt 0 ]; do
        mapfile -t libraries < <(readelf -d "${todo[@]}" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' | sort -u)
        todo=()
        for library in "${libraries[@]}"; do
            [ ! -e "$qemu.new/lib/x86_64-linux-gnu/$library" ] || continue
            [ "$library" != ld-linux-x86-64.so.2 ] || continue
            file=$(find "$root"/files/{usr/,}lib/x86_64-linux-gnu -maxdepth 1 -name "$library" -print -quit)
            [ -n "$file" ] || fail "QEMU needs $library, which its packages do not bring: remove $root and try again"
            cp -L "$file" "$qemu.new/lib/x86_64-linux-gnu/"
            todo+=("$file")
        done
    done
    dpkg-deb --show "$root"/debs/qemu-system-x86_*.deb > "$qemu.new/version"
    rm -rf "$root" "$qemu"
    mv "$qemu.new" "$qemu"
}

[ -e "$qemu/$program" ] || fetch_qemu

# qemu_tree DIRECTORY: anew, with QEMU as an initramfs has it.
qemu_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    cp -al "$qemu"/{lib,lib64,usr} "$1/"
}
