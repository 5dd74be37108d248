#pragma once

// The BIOS, as far as L0 has to do with it: whoever boots by it, or calls it, must not be told of L0's memory
// as free (l1/bios_rom.hpp).

#include "hypervisor/boot/archive.hpp"
#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "vmcs/result.hpp"

namespace shadowtune::boot {

inline constexpr const char* no_place_for_rom{"no free page for L0's option ROM in 0xC8000-0xE0000, which a "
                                              "BIOS boot disk needs; take an adapter out, or "
                                              "switch its boot ROM off in the firmware"};

// Gives L1 a page for the ROM, where the machine has room for one. Before EPT01 is built.
void put_bios_rom(memory::L1Memory& l1, memory::L0Memory& l0, const memory::MemoryMap& machine);

// Fills the ROM, if there is one, with L1's memory map. At L0's first start vector 15H is led to it; after a
// restart (`again`) the vector is L1's, and what it was before is in the archive.
[[nodiscard]] Result<void, BootError>
take_int15_over(const memory::L1Memory& l1, const memory::MemoryMap& map, Archive& archive, bool again);

} // namespace shadowtune::boot
