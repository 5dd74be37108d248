#pragma once

// What tells an L1's type: the fields that it accesses before L2 runs for the first time, in the order of
// each one's first VMREAD and first VMWRITE, and the controls of that first VM entry. Plain data, for the VMM
// and the tools alike.

#include "vmcs/field_set.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::vmcs {

// Controls in force at the first VM entry: SDM Vol. 3C, 25.6 to 25.8 (edition 325462-087). Secondary and
// tertiary ones are 0 where the primary ones do not activate them.
struct LaunchControls {
    std::uint32_t pin{0};
    std::uint32_t primary{0};
    std::uint32_t secondary{0};
    std::uint32_t exit{0};
    std::uint32_t entry{0};
    std::uint64_t tertiary{0};

    [[nodiscard]] friend constexpr bool operator==(const LaunchControls&, const LaunchControls&) = default;
};

// The controls that make a difference to what an L1 accesses later.
struct LaunchMode {
    bool ept{false};    // else shadow paging
    bool apic_v{false}; // virtual-interrupt delivery
    bool unrestricted_guest{false};

    [[nodiscard]] friend constexpr bool operator==(const LaunchMode&, const LaunchMode&) = default;
};

// Bits of the secondary processor-based controls: SDM Vol. 3C, Table 25-7.
[[nodiscard]] constexpr LaunchMode mode_of(const LaunchControls& controls) {
    constexpr std::uint32_t enable_ept{1U << 1}, unrestricted_guest{1U << 7}, interrupt_delivery{1U << 9};
    return {(controls.secondary & enable_ept) != 0, (controls.secondary & interrupt_delivery) != 0,
            (controls.secondary & unrestricted_guest) != 0};
}

// "EPT, APIC-v"; for people.
[[nodiscard]] constexpr std::string_view text(const LaunchMode& mode) {
    if (!mode.ept) return mode.apic_v ? "shadow paging, APIC-v" : "shadow paging";
    if (!mode.unrestricted_guest)
        return mode.apic_v ? "EPT, APIC-v, no unrestricted guest" : "EPT, no unrestricted guest";
    return mode.apic_v ? "EPT, APIC-v" : "EPT";
}

class Fingerprint {
public:
    struct Access {
        FieldIndex field{no_field};
        bool write{false};

        [[nodiscard]] friend constexpr bool operator==(const Access&, const Access&) = default;
    };
    static constexpr std::size_t capacity{2 * field_count};

    FieldSet offered{}; // that L1 could access
    LaunchControls controls{};

    // The next access in time. False where it was there before, or there is no such field: nothing is added.
    constexpr bool add(Access access) {
        if (access.field >= field_count) return false;
        FieldSet& seen{access.write ? m_written : m_read};
        if (seen.test(access.field)) return false;
        seen.set(access.field);
        m_accesses[m_count++] = static_cast<std::uint16_t>(access.field | (access.write ? write_bit : 0U));
        return true;
    }

    [[nodiscard]] constexpr std::size_t size() const { return m_count; }
    [[nodiscard]] constexpr Access operator[](std::size_t i) const {
        return {static_cast<FieldIndex>(m_accesses[i] & ~write_bit), (m_accesses[i] & write_bit) != 0};
    }
    [[nodiscard]] constexpr const FieldSet& read() const { return m_read; }
    [[nodiscard]] constexpr const FieldSet& written() const { return m_written; }

    [[nodiscard]] friend constexpr bool operator==(const Fingerprint& a, const Fingerprint& b) {
        if (!(a.offered == b.offered) || !(a.controls == b.controls) || a.m_count != b.m_count) return false;
        for (std::size_t i{0}; i < a.m_count; ++i)
            if (a.m_accesses[i] != b.m_accesses[i]) return false;
        return true;
    }

private:
    static constexpr std::uint16_t write_bit{0x8000}; // beside a field's index
    static_assert(field_count < write_bit);

    FieldSet m_read{};
    FieldSet m_written{};
    std::size_t m_count{0};
    std::uint16_t m_accesses[capacity]{};
};

} // namespace shadowtune::vmcs
