#pragma once

// The end of an L0 that starts anew.

#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::boot {

// On the bootstrap processor, while all others stand still (nested/standstill.hpp): takes every processor out
// of VMX operation, with nothing of this L0 or of L1 left in it, and begins anew. The saved state of this CRC
// is awaited then.
[[noreturn]] void give_up(nested::Vcpu& vcpu, std::uint32_t awaited_crc);

} // namespace shadowtune::boot
