#pragma once

// The encoding of a VMCS component: SDM Vol. 3C, section 25.11.2 "VMREAD, VMWRITE, and Encodings of VMCS
// Fields", Table 25-21 (edition 325462-087).

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::vmcs {

// Bits 14:13 of an encoding.
enum class Width : std::uint8_t { bits16 = 0, bits64 = 1, bits32 = 2, natural = 3 };

// Bits 11:10 of an encoding.
enum class Type : std::uint8_t { control = 0, read_only_data = 1, guest_state = 2, host_state = 3 };

[[nodiscard]] constexpr std::string_view text(Width width) {
    constexpr std::string_view names[]{"16", "64", "32", "natural"};
    return names[static_cast<std::size_t>(width)];
}
[[nodiscard]] constexpr std::string_view text(Type type) {
    constexpr std::string_view names[]{"control", "read-only data", "guest state", "host state"};
    return names[static_cast<std::size_t>(type)];
}

// An encoding names the full field (even) or, for a 64-bit field, its upper 32 bits (odd).
using Encoding = std::uint16_t;

// The two bitmaps cover operands 0 to 7FFFH; larger ones always exit (SDM Vol. 3C, 26.1.3 "Instructions That
// Cause VM Exits Conditionally").
inline constexpr std::uint32_t encodings_in_bitmap{0x8000};

[[nodiscard]] constexpr Encoding encode(Width width, Type type, unsigned index, bool high = false) {
    return static_cast<Encoding>((static_cast<unsigned>(width) << 13) | (static_cast<unsigned>(type) << 10) |
                                 (index << 1) | (high ? 1U : 0U));
}

[[nodiscard]] constexpr Width width_of(Encoding encoding) {
    return static_cast<Width>((encoding >> 13) & 3U);
}
[[nodiscard]] constexpr Type type_of(Encoding encoding) {
    return static_cast<Type>((encoding >> 10) & 3U);
}
[[nodiscard]] constexpr unsigned index_of(Encoding encoding) {
    return (encoding >> 1) & 0x1FFU;
}
[[nodiscard]] constexpr bool is_high_half(Encoding encoding) {
    return (encoding & 1U) != 0;
}
[[nodiscard]] constexpr Encoding full_field(Encoding encoding) {
    return static_cast<Encoding>(encoding & ~1U);
}

// Bits that a field of this width holds; natural-width fields hold 64 on a processor with Intel 64.
[[nodiscard]] constexpr unsigned bits_of(Width width) {
    switch (width) {
    case Width::bits16: return 16;
    case Width::bits32: return 32;
    case Width::bits64:
    case Width::natural: break;
    }
    return 64;
}

[[nodiscard]] constexpr std::uint64_t value_mask(Width width) {
    const unsigned bits{bits_of(width)};
    return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

} // namespace shadowtune::vmcs
