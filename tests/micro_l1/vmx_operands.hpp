#pragma once

// VMREAD and VMWRITE in many shapes: registers, SIB, displacements, RIP-relative, absolute, 32-bit addresses.
// An L0 that emulates them must decode every one, so the scripts use them all.

#include "vmcs/field.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::micro_l1 {

// SDM Vol. 3C, section 31.2 "Conventions" (edition 325462-087): CF is VMfailInvalid, ZF is VMfailValid.
enum class VmxResult : std::uint8_t { succeed, fail_valid, fail_invalid };

[[nodiscard]] constexpr VmxResult vmx_result(bool cf, bool zf) {
    if (cf) return VmxResult::fail_invalid;
    return zf ? VmxResult::fail_valid : VmxResult::succeed;
}

inline constexpr std::size_t operand_shapes{16}; // the first 8 are registers, the others memory

// `operand` is the whole encoding register. `value` is left alone when the instruction fails.
[[nodiscard]] VmxResult vmread_shape(std::size_t shape, std::uint64_t operand, std::uint64_t& value);
[[nodiscard]] VmxResult vmwrite_shape(std::size_t shape, std::uint64_t operand, std::uint64_t value);

} // namespace shadowtune::micro_l1
