#pragma once

// What the three files of entry checks share. Not for others: entry_checks.hpp is the interface.

#include "hypervisor/memory/canonical.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::nested::detail {

// Bits of CR0, CR4, EFER, RFLAGS and IA32_DEBUGCTL that the rules name: SDM Vol. 3A, section 2.5; Vol.
// 1, 3.4.3.
inline constexpr std::uint64_t cr0_pe{1U << 0};
inline constexpr std::uint64_t cr0_wp{1U << 16};
inline constexpr std::uint64_t cr0_nw{1U << 29};
inline constexpr std::uint64_t cr0_cd{1U << 30};
inline constexpr std::uint64_t cr0_pg{1U << 31};
inline constexpr std::uint64_t cr4_pae{1U << 5};
inline constexpr std::uint64_t cr4_pcide{1U << 17};
inline constexpr std::uint64_t cr4_cet{1U << 23};
inline constexpr std::uint64_t efer_lme{1U << 8};
inline constexpr std::uint64_t efer_lma{1U << 10};
inline constexpr std::uint64_t rflags_tf{1U << 8};
inline constexpr std::uint64_t rflags_if{1U << 9};
inline constexpr std::uint64_t rflags_vm{1U << 17};
inline constexpr std::uint64_t debugctl_btf{1U << 1};

[[nodiscard]] constexpr Failure<CheckFailure> refuse(vmcs::Field field, std::string_view rule,
                                                     GuestFailure qualification = GuestFailure::other) {
    return Failure<CheckFailure>{CheckFailure{field, rule, qualification}};
}

// The checked words of one vmcs12, and the questions that most rules ask.
struct Checked {
    const Vmcs12Values& vmcs12;
    const vmcs::CapabilityMsrs& offered;
    const ProcessorFacts& processor;
    const EntryContext& context;

    [[nodiscard]] std::uint64_t get(vmcs::Field field) const {
        // Fields come out of tables here, where the compiler cannot see that each is in the catalogue.
        const vmcs::FieldIndex index{vmcs::index_of(field)};
        return index < vmcs::field_count ? vmcs12.values[index] : 0;
    }
    [[nodiscard]] std::uint32_t get32(vmcs::Field field) const {
        return static_cast<std::uint32_t>(get(field));
    }
    [[nodiscard]] bool pin(std::uint32_t control) const {
        return (get32(vmcs::Field::pin_based_controls) & control) != 0;
    }
    [[nodiscard]] bool primary(std::uint32_t control) const {
        return (get32(vmcs::Field::primary_processor_based_controls) & control) != 0;
    }
    [[nodiscard]] bool secondary(std::uint32_t control) const {
        return (secondary_controls_in_force(vmcs12) & control) != 0;
    }
    [[nodiscard]] bool exit(std::uint32_t control) const {
        return (get32(vmcs::Field::primary_vm_exit_controls) & control) != 0;
    }
    [[nodiscard]] bool entry(std::uint32_t control) const {
        return (get32(vmcs::Field::vm_entry_controls) & control) != 0;
    }

    // Addresses of VMX structures stay within MAXPHYADDR, and within 32 bits where IA32_VMX_BASIC[48] says so
    // (A.1).
    [[nodiscard]] bool fits_physical(std::uint64_t address) const {
        if ((address >> processor.physical_address_bits) != 0) return false;
        const bool narrow{(offered[vmx::msr::vmx_basic] & vmx::basic::physical_addresses_32_bit) != 0};
        return !narrow || (address >> 32) == 0;
    }
    [[nodiscard]] bool is_page_address(std::uint64_t address) const {
        return (address & 0xFFFU) == 0 && fits_physical(address);
    }
    // CR3: bits 63:MAXPHYADDR are 0 (no linear-address masking is offered).
    [[nodiscard]] bool is_cr3(std::uint64_t value) const {
        return (value >> processor.physical_address_bits) == 0;
    }
    [[nodiscard]] bool is_canonical(std::uint64_t address) const {
        return memory::is_canonical(address, processor.linear_address_bits);
    }
    // NW and CD are never checked: neither VM entry nor VM exit changes them (sections 27.2.2 and 27.3.1.1).
    [[nodiscard]] bool is_cr0(std::uint64_t value, std::uint64_t exempt) const {
        const std::uint64_t free{exempt | cr0_nw | cr0_cd};
        return vmx::is_fixed_ok(value, offered[vmx::msr::vmx_cr0_fixed0] & ~free,
                                offered[vmx::msr::vmx_cr0_fixed1] | free);
    }
    [[nodiscard]] bool is_cr4(std::uint64_t value) const {
        return vmx::is_fixed_ok(value, offered[vmx::msr::vmx_cr4_fixed0], offered[vmx::msr::vmx_cr4_fixed1]);
    }
    [[nodiscard]] bool is_v8086() const { return (get(vmcs::Field::guest_rflags) & rflags_vm) != 0; }
};

// Each byte is a memory type: UC, WC, WT, WP, WB or UC- (Vol. 3A, Table 13-10).
[[nodiscard]] constexpr bool is_pat(std::uint64_t pat) {
    for (unsigned shift{0}; shift < 64; shift += 8) {
        const std::uint64_t type{(pat >> shift) & 0xFFU};
        if (type > 7 || type == 2 || type == 3) return false;
    }
    return true;
}

// Section 27.3.1.2, in its own file.
[[nodiscard]] Check check_guest_segments(const Checked& checked);

} // namespace shadowtune::nested::detail
