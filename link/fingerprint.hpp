#pragma once

// An L1's fingerprint (vmcs/fingerprint.hpp) as bytes: in messages, saved states and the library that boots
// with the VMM. A FingerprintHead, then its accesses in order of time, each a u16: the encoding of the full
// field, and bit 15 where it is a VMWRITE. All little-endian.

#include "vmcs/fingerprint.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::link {

struct [[gnu::packed]] FingerprintHead {
    std::uint64_t offered[vmcs::FieldSet::words]; // fields that L1 could access
    std::uint32_t pin;                            // vmcs::LaunchControls
    std::uint32_t primary;
    std::uint32_t secondary;
    std::uint32_t exit;
    std::uint32_t entry;
    std::uint64_t tertiary;
    std::uint16_t accesses; // that follow
};

inline constexpr std::uint16_t first_access_is_write{0x8000};
inline constexpr std::size_t max_fingerprint{sizeof(FingerprintHead) +
                                             vmcs::Fingerprint::capacity * sizeof(std::uint16_t)};

// Bytes written, or 0 where `out` is too small; max_fingerprint bytes are enough for any.
[[nodiscard]] std::size_t pack(const vmcs::Fingerprint& fingerprint, std::span<std::uint8_t> out);

// Takes one off the front of `bytes`; how many it took, or 0: cut short, a field that there is not or that L1
// was not offered, or an access that comes twice. `fingerprint` is not to be used then.
[[nodiscard]] std::size_t unpack(std::span<const std::uint8_t> bytes, vmcs::Fingerprint& fingerprint);

} // namespace shadowtune::link
