#pragma once

// Walks the EPT paging structures that L1 built for L2. SDM Vol. 3C, section 29.3 "The Extended Page Table
// Mechanism (EPT)" (edition 325462-087). Page walks of length 4, without mode-based execute control: nothing
// else is offered.

#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <cstdint>

namespace shadowtune::nested {

// Why an EPTP is refused (section 25.6.11); `ok` is not a refusal.
enum class EptpError : std::uint8_t { ok, memory_type, walk_length, accessed_dirty, reserved_bits };

[[nodiscard]] constexpr EptpError check_eptp(std::uint64_t eptp, std::uint64_t ept_vpid_cap,
                                             unsigned physical_address_bits) {
    const std::uint64_t memory_type{eptp & 7U};
    const bool uncacheable_ok{memory_type == 0 && (ept_vpid_cap & vmx::ept_vpid_cap::memory_type_uc) != 0};
    const bool write_back_ok{memory_type == 6 && (ept_vpid_cap & vmx::ept_vpid_cap::memory_type_wb) != 0};
    if (!uncacheable_ok && !write_back_ok) return EptpError::memory_type;
    // Bits 5:3 hold the walk length less one.
    const bool length_ok{((eptp >> 3) & 7U) == 3 && (ept_vpid_cap & vmx::ept_vpid_cap::page_walk_4) != 0};
    if (!length_ok) return EptpError::walk_length;
    const bool wants_flags{(eptp & 0x40U) != 0};
    if (wants_flags && (ept_vpid_cap & vmx::ept_vpid_cap::accessed_dirty) == 0)
        return EptpError::accessed_dirty;
    // Bit 7 enforces supervisor shadow-stack pages, which is never offered; bits 11:8 are reserved.
    if ((eptp & 0xF80U) != 0 || (eptp >> physical_address_bits) != 0) return EptpError::reserved_bits;
    return EptpError::ok;
}

[[nodiscard]] constexpr bool eptp_accessed_dirty(std::uint64_t eptp) {
    return (eptp & 0x40U) != 0;
}

// 29.3.3.2, 29.3.5: with accessed and dirty flags an access to L2's paging structures counts as a write, and
// an EPT violation tells it as a read and a write (28.2.1).
[[nodiscard]] constexpr std::uint64_t page_walk_access(std::uint64_t eptp, std::uint64_t access) {
    return eptp_accessed_dirty(eptp) ? vmx::ept_violation::read | vmx::ept_violation::write : access;
}

// By the exit qualification of an EPT violation; Bochs 2.7 sets bit 1 alone for such a page walk.
[[nodiscard]] constexpr std::uint64_t violating_access(std::uint64_t eptp, std::uint64_t qualification) {
    namespace violation = vmx::ept_violation;
    const std::uint64_t access{qualification & violation::access_mask};
    const bool is_page_walk{(qualification & (violation::linear_address_valid | violation::final_access)) ==
                            violation::linear_address_valid};
    return is_page_walk ? page_walk_access(eptp, access) : access;
}

// What the walk must know: the EPTP in force and what L1 was offered.
struct EptSettings {
    std::uint64_t eptp{0};
    std::uint64_t ept_vpid_cap{0};      // IA32_VMX_EPT_VPID_CAP as offered to L1
    unsigned physical_address_bits{36}; // MAXPHYADDR
    bool log_full{false};               // page-modification logging is on, and its index above 511
};

// `log_full`: a flag would have to be set, and page-modification logging has no room (29.3.6). `busy`: L1
// kept changing the entries while their accessed and dirty flags were being set; resume L2, which faults
// again.
enum class EptOutcome : std::uint8_t { ok, violation, misconfiguration, log_full, busy };

struct EptWalk {
    EptOutcome outcome{EptOutcome::misconfiguration};
    std::uint64_t address{0};   // ok: where the guest-physical address lies in L1's physical memory
    std::uint8_t level{0};      // of the last entry read: 4 = PML4E ... 1 = PTE
    std::uint8_t page_shift{0}; // ok, or a violation by permissions: 12, 21 or 30
    bool readable{false};       // AND over the entries used
    bool writable{false};
    bool executable{false};
    bool dirty{false};       // the leaf's dirty flag after the walk; true where A/D flags are off
    bool dirtied{false};     // this walk has set it
    bool convertible{false}; // violation: may become a virtualization exception (26.5.7.1)
    bool ignore_pat{false};
    std::uint8_t memory_type{0}; // of the leaf: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB
    std::uint64_t qualification{
        0}; // violation: bits 5:0; bits 7, 8 and 12 are the hardware's, and the caller's
};

namespace detail {

inline constexpr std::uint64_t ept_permissions{7};
inline constexpr std::uint64_t ept_large_page{std::uint64_t{1} << 7};
inline constexpr std::uint64_t ept_accessed{std::uint64_t{1} << 8};
inline constexpr std::uint64_t ept_dirty{std::uint64_t{1} << 9};
inline constexpr std::uint64_t ept_suppress_ve{std::uint64_t{1} << 63};

// Bits first to last, both included.
[[nodiscard]] constexpr std::uint64_t bit_range(unsigned first, unsigned last) {
    return (~std::uint64_t{0} >> (63 - last)) & (~std::uint64_t{0} << first);
}

[[nodiscard]] constexpr unsigned ept_shift(unsigned level) {
    return 12 + 9 * (level - 1);
}

// Whether a present entry ends the walk: a PTE, or a PDE or PDPTE that maps a page.
[[nodiscard]] constexpr bool is_ept_leaf(std::uint64_t entry, unsigned level) {
    return level == 1 || (level < 4 && (entry & ept_large_page) != 0);
}

// Bits that must be 0 in a present entry (Tables 29-1 to 29-7), bits 51:MAXPHYADDR apart.
[[nodiscard]] constexpr std::uint64_t ept_reserved_bits(std::uint64_t entry, unsigned level,
                                                        std::uint64_t ept_vpid_cap) {
    if (level == 1) return 0;
    if (level == 4) return bit_range(3, 7);
    const std::uint64_t page_support{level == 3 ? vmx::ept_vpid_cap::pages_1g : vmx::ept_vpid_cap::pages_2m};
    if ((ept_vpid_cap & page_support) == 0) return bit_range(3, 7);
    return is_ept_leaf(entry, level) ? bit_range(12, ept_shift(level) - 1) : bit_range(3, 6);
}

// Section 29.3.3.1 "EPT Misconfigurations", for a present entry.
[[nodiscard]] constexpr bool is_ept_misconfigured(std::uint64_t entry, unsigned level,
                                                  const EptSettings& settings) {
    if ((entry & 3U) == 2U) return true; // writable but not readable
    const bool execute_only{(entry & ept_permissions) == 4U};
    if (execute_only && (settings.ept_vpid_cap & vmx::ept_vpid_cap::execute_only) == 0) return true;
    if (settings.physical_address_bits < 52 && (entry & bit_range(settings.physical_address_bits, 51)) != 0) {
        return true;
    }
    if ((entry & ept_reserved_bits(entry, level, settings.ept_vpid_cap)) != 0) return true;
    if (!is_ept_leaf(entry, level)) return false;
    const std::uint64_t memory_type{(entry >> 3) & 7U};
    return memory_type == 2 || memory_type == 3 || memory_type == 7;
}

} // namespace detail

// `access` is bits of vmx::ept_violation: read, write, fetch (guest page walks with A/D flags: read | write).
// Memory needs, over L1's physical memory, 8-byte aligned:
//   bool read64(std::uint64_t address, std::uint64_t& value)        false: nothing there that L1 may read
//   bool compare_exchange64(std::uint64_t address, std::uint64_t expected, std::uint64_t desired)
// Flags are set only where the access is permitted.
template <typename Memory>
[[nodiscard]] EptWalk walk_ept12(Memory& memory, const EptSettings& settings, std::uint64_t guest_physical,
                                 std::uint64_t access) {
    const bool keeps_flags{eptp_accessed_dirty(settings.eptp)};
    // L1 may change entries while we set flags in them. A bound, so that no L1 can hold L0 here.
    for (unsigned attempt{0}; attempt < 8; ++attempt) {
        EptWalk walk{};
        std::uint64_t entries[5]{};
        std::uint64_t addresses[5]{};
        std::uint64_t permissions{detail::ept_permissions};
        std::uint64_t table{settings.eptp & detail::bit_range(12, 51)};
        bool is_present{true};

        for (unsigned level{4};; --level) {
            walk.level = static_cast<std::uint8_t>(level);
            // Only bits 47:0 of the guest-physical address are translated (section 29.3.2).
            addresses[level] = table + ((guest_physical >> detail::ept_shift(level)) & 0x1FFU) * 8;
            std::uint64_t entry{~std::uint64_t{0}};
            // Where no memory answers, a read gives all ones: reserved bits, as the processor would find.
            if (!memory.read64(addresses[level], entry)) entry = ~std::uint64_t{0};
            entries[level] = entry;
            permissions &= entry;
            is_present = (entry & detail::ept_permissions) != 0;
            if (!is_present) break;
            if (detail::is_ept_misconfigured(entry, level, settings)) return walk;
            if (detail::is_ept_leaf(entry, level)) break;
            table = entry & detail::bit_range(12, 51);
        }

        const unsigned leaf{walk.level};
        walk.readable = (permissions & 1U) != 0;
        walk.writable = (permissions & 2U) != 0;
        walk.executable = (permissions & 4U) != 0;
        if (is_present) {
            walk.page_shift = static_cast<std::uint8_t>(detail::ept_shift(leaf));
            walk.memory_type = static_cast<std::uint8_t>((entries[leaf] >> 3) & 7U);
            walk.ignore_pat = (entries[leaf] & 0x40U) != 0;
            walk.dirty = !keeps_flags || (entries[leaf] & detail::ept_dirty) != 0;
        }

        // A misconfiguration anywhere comes before a missing permission; that is why this waits for the leaf.
        const std::uint64_t wanted{access & vmx::ept_violation::access_mask};
        if (!is_present || (wanted & ~permissions) != 0) {
            walk.outcome = EptOutcome::violation;
            walk.qualification = wanted | (permissions << 3);
            // The entry that is not present, or the leaf: the last one read in either case.
            walk.convertible = (entries[leaf] & detail::ept_suppress_ve) == 0;
            return walk;
        }

        bool is_unchanged{true};
        for (unsigned level{4}; keeps_flags && is_unchanged && level >= leaf; --level) {
            // Section 29.3.5 "Accessed and Dirty Flags for EPT": dirty is kept at the leaf alone.
            const bool dirties{level == leaf && (wanted & vmx::ept_violation::write) != 0};
            const std::uint64_t flags{detail::ept_accessed | (dirties ? detail::ept_dirty : 0)};
            if ((entries[level] & flags) == flags) continue;
            if (settings.log_full) {
                walk.outcome = EptOutcome::log_full;
                return walk;
            }
            is_unchanged =
                memory.compare_exchange64(addresses[level], entries[level], entries[level] | flags);
            walk.dirtied = is_unchanged && dirties && !walk.dirty;
            walk.dirty = walk.dirty || dirties;
        }
        if (!is_unchanged) continue;

        const std::uint64_t offset_mask{detail::bit_range(0, detail::ept_shift(leaf) - 1)};
        walk.address =
            (entries[leaf] & detail::bit_range(12, 51) & ~offset_mask) | (guest_physical & offset_mask);
        walk.outcome = EptOutcome::ok;
        return walk;
    }
    EptWalk busy{};
    busy.outcome = EptOutcome::busy;
    return busy;
}

} // namespace shadowtune::nested
