// The configuration files that one Bochs of the lab is started with.
#pragma once

#include "lab/options.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace shadowtune::lab {

// Where Debian's packages put what Bochs needs.
inline constexpr std::string_view bios_path = "/usr/share/bochs/BIOS-bochs-latest";
inline constexpr std::string_view vga_bios_path = "/usr/share/bochs/VGABIOS-lgpl-latest";

// What Debian's Bochs can hold of the guest's memory at once; the rest of a larger guest is paged to a file.
inline constexpr std::uint32_t max_host_memory_mib = 2048;

// Loopback TCP ports on which the lab listens; 0: the machine has no such serial line connected.
struct SerialPorts {
    std::uint16_t com1 = 0;
    std::uint16_t com2 = 0;
};

// The disk of L1, in the work directory.
inline constexpr std::string_view disk_name = "disk.img";

// Whether the machine's BIOS boots L1's disk itself: no GRUB and no boot.iso is needed then.
[[nodiscard]] constexpr bool boots_from_disk(const RunOptions& options) {
    return options.bare && options.l1_kind == L1Kind::bios_disk;
}

// The bochsrc. File names in it are relative: Bochs runs in the work directory, beside boot.iso.
[[nodiscard]] std::string bochs_config(const RunOptions& options, SerialPorts ports);

// The debugger's command file: Debian's Bochs starts in its debugger and has to be told to go on.
inline constexpr std::string_view debugger_commands = "c\n";

} // namespace shadowtune::lab
