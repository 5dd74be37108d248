#pragma once

// Bitmap pages from outside, read back into a profile. The rules of pages come on top of those of sets
// (vmcs/profile.hpp): pages could tell a high half from its field, and let pass what no field is.

#include "vmcs/bitmap.hpp"
#include "vmcs/profile.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::vmcs {

using BitmapBytes = std::span<const std::uint8_t, BitmapPage::size>;

// The fields whose accesses one page lets pass.
[[nodiscard]] constexpr Result<FieldSet, ProfileError> fields_of_page(BitmapBytes page) {
    FieldSet full{};
    FieldSet high{};
    for (std::size_t byte{0}; byte < page.size(); ++byte) {
        for (unsigned passed{static_cast<std::uint8_t>(~page[byte])}; passed != 0; passed &= passed - 1) {
            const auto encoding{
                static_cast<Encoding>(byte * 8 + static_cast<unsigned>(std::countr_zero(passed)))};
            const FieldIndex index{find(encoding)};
            if (index == no_field) {
                return Failure{ProfileError{ProfileRule::unknown_encoding_passed, no_field, encoding}};
            }
            (is_high_half(encoding) ? high : full).set(index);
        }
    }
    ProfileError error{};
    (full | high).for_each([&](FieldIndex index) {
        const bool same{full.test(index) && (high.test(index) || !catalogue[index].has_high_half())};
        if (same || error.field != no_field) return;
        error = {ProfileRule::high_half_differs, index, catalogue[index].encoding};
    });
    if (error.field != no_field) return Failure{error};
    return full;
}

// The profile that a VMREAD and a VMWRITE bitmap make up, where it keeps every rule on this target.
[[nodiscard]] constexpr Result<ShadowSets, ProfileError> validate_pages(BitmapBytes read, BitmapBytes write,
                                                                        const ProfileTarget& target) {
    const auto reads{fields_of_page(read)};
    if (!reads) return Failure{reads.error()};
    const auto writes{fields_of_page(write)};
    if (!writes) return Failure{writes.error()};
    const ShadowSets sets{reads.value(), writes.value()};
    if (const auto checked{validate(sets, target)}; !checked) return Failure{checked.error()};
    return sets;
}

} // namespace shadowtune::vmcs
