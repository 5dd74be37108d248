#pragma once

// What L0 tells of the processor and of what it offers to L1. Plain data: the hello message, the database and
// the entry checks all use this one form.

#include "vmcs/profile.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::vmcs {

// IA32_VMX_BASIC (480H) to IA32_VMX_EXIT_CTLS2 (493H); SDM Vol. 3D, Appendix A. An MSR that the processor
// lacks is 0.
inline constexpr std::uint32_t first_capability_msr{0x480};
inline constexpr std::size_t capability_msr_count{20};

struct CapabilityMsrs {
    std::uint64_t values[capability_msr_count]{};

    [[nodiscard]] constexpr std::uint64_t operator[](std::uint32_t msr) const {
        return values[msr - first_capability_msr];
    }
    [[nodiscard]] constexpr std::uint64_t& operator[](std::uint32_t msr) {
        return values[msr - first_capability_msr];
    }
};

} // namespace shadowtune::vmcs
