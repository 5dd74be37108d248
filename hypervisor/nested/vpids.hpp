#pragma once

// VPIDs that L0 uses (SDM Vol. 3C, 29.1): L1 itself; an L2 to which L1 gave none, or one of these two, whose
// translations are flushed at each entry. Every other VPID of L1's is its own.

#include <cstdint>

namespace shadowtune::nested {

inline constexpr std::uint16_t vpid_l1{0xFFFF};
inline constexpr std::uint16_t vpid_flushed{0xFFFE};
[[nodiscard]] constexpr std::uint16_t vpid02_for(std::uint16_t vpid12) {
    return vpid12 == 0 || vpid12 >= vpid_flushed ? vpid_flushed : vpid12;
}

} // namespace shadowtune::nested
