#pragma once

// The VMREAD or VMWRITE bitmap: one 4-KiB page, bit n for operand n, 1 = VM exit.
// SDM Vol. 3C, section 25.6.15 "VMCS Shadowing Bitmap Addresses" (edition 325462-087).

#include "vmcs/catalogue.hpp"
#include "vmcs/field_set.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::vmcs {

class alignas(4096) BitmapPage {
public:
    static constexpr std::size_t size{4096};

    // All ones: an encoding nobody spoke for exits, so that L0 gives the SDM's error for it.
    constexpr BitmapPage() { trap_all(); }

    constexpr void trap_all() {
        for (auto& byte : m_bytes)
            byte = 0xFF;
    }

    // The page that shadows exactly these fields; a 64-bit field's high half follows the full field.
    constexpr void assign(const FieldSet& shadowed) {
        trap_all();
        shadowed.for_each([this](FieldIndex index) {
            const FieldInfo& field{catalogue[index]};
            pass(field.encoding);
            if (field.has_high_half()) pass(static_cast<Encoding>(field.encoding | 1U));
        });
    }

    [[nodiscard]] constexpr bool traps(Encoding encoding) const {
        return (m_bytes[encoding >> 3] & (1U << (encoding & 7U))) != 0;
    }

    [[nodiscard]] constexpr const std::uint8_t* data() const { return m_bytes; }

private:
    constexpr void pass(Encoding encoding) {
        auto& byte{m_bytes[encoding >> 3]};
        byte = static_cast<std::uint8_t>(byte & ~(1U << (encoding & 7U)));
    }

    std::uint8_t m_bytes[size]{};
};

static_assert(sizeof(BitmapPage) == BitmapPage::size && alignof(BitmapPage) == 4096);

} // namespace shadowtune::vmcs
