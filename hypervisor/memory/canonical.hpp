#pragma once

#include <cstdint>

namespace shadowtune::memory {

// Bits 63:N-1 are all equal, N being the width of linear addresses, 48 or 57: SDM Vol. 1, 3.3.7.1 "Canonical
// Addressing" (edition 325462-087).
[[nodiscard]] constexpr bool is_canonical(std::uint64_t address, unsigned linear_address_bits) {
    const std::uint64_t upper{~std::uint64_t{0} << (linear_address_bits - 1)};
    return (address & upper) == 0 || (address & upper) == upper;
}

} // namespace shadowtune::memory
