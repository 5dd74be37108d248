#pragma once

// A bitmap page as it is in memory, and the encodings in it that are fields. SDM Vol. 3C, 25.6.15
// (325462-087): bit n is for operand n, 1 = VM exit.

#include "vmcs/bitmap.hpp"

#include <vector>

namespace shadowtune::gui {

// Width and type are bits 14:13 and 11:10 of an encoding, so a page is sixteen stretches of 128 bytes that
// can have fields (the bytes between, bit 12 set, have none). Only their first 16 bytes do: no index is above
// 63.
inline constexpr int stretch_count{16};
inline constexpr int cells_per_stretch{128};

struct BitmapCell {
    vmcs::Encoding encoding{0};
    vmcs::FieldIndex field{vmcs::no_field}; // no_field: the encoding is none, and must trap
    bool passes{false};                     // the bit is 0
    bool passes_other{false};               // in the page that it is compared with

    [[nodiscard]] bool differs() const { return field != vmcs::no_field && passes != passes_other; }
};

// Ordered by encoding: stretches of one width are neighbours, and within them the types in their order.
[[nodiscard]] std::vector<BitmapCell> cells_of(const vmcs::FieldSet& shown, const vmcs::FieldSet& other);

} // namespace shadowtune::gui
