#pragma once

// Translation of L1's linear addresses by L1's own page tables, with the access rights of a supervisor-mode
// data access (VMX instructions run at CPL 0). SDM Vol. 3A, 5.3 "32-Bit Paging", 5.4 "PAE Paging", 5.5
// "4-Level Paging and 5-Level Paging", 5.6 "Access Rights" and 5.7 "Page-Fault Exceptions" (edition
// 325462-087). A template over the reader of physical memory, so that it is tested hosted.

#include <cstdint>

namespace shadowtune::memory {

struct PagingState {
    std::uint64_t cr0, cr3, cr4, efer, rflags;
    std::uint64_t pdpte[4]; // PAE paging only
    unsigned physical_address_bits{52};
    bool has_1gib_pages{true};
    std::uint32_t pkru{0}, pkrs{0}; // where CR4.PKE and CR4.PKS are set
};

struct LinearTranslation {
    bool present{false};
    std::uint64_t physical{0};
    std::uint32_t error_code{0}; // of the page fault, where !present
    std::uint32_t entries{0};    // of paging structures that were read, where present
};

namespace detail {

inline constexpr std::uint64_t entry_present{1U << 0}, entry_writable{1U << 1}, entry_user{1U << 2},
    entry_accessed{1U << 5}, entry_dirty{1U << 6}, entry_large{1U << 7};
inline constexpr std::uint64_t address_mask{0x000F'FFFF'FFFF'F000};
inline constexpr std::uint64_t cr0_pg{1U << 31}, cr0_wp{1U << 16}, cr4_pse{1U << 4}, cr4_pae{1U << 5},
    cr4_smap{1U << 21}, cr4_la57{1U << 12}, cr4_pke{1U << 22}, cr4_pks{1U << 24}, efer_lma{1U << 10},
    efer_nxe{1U << 11}, rflags_ac{1U << 18};
inline constexpr std::uint32_t fault_present{1U << 0}, fault_write{1U << 1}, fault_reserved{1U << 3},
    fault_protection_key{1U << 5};

// Bits `high` to `low`; none where `high` is below.
[[nodiscard]] constexpr std::uint64_t bit_range(unsigned high, unsigned low) {
    return high < low ? 0 : ~std::uint64_t{0} << low & ~std::uint64_t{0} >> (63 - high);
}

// Bits of a present entry that must be 0 (Tables 5-4, 5-9 to 5-11 and 5-14 to 5-20). `is_large`: bit 7 is set
// where it may map a page.
[[nodiscard]] constexpr std::uint64_t reserved_bits(const PagingState& state, int level, bool is_large) {
    const unsigned width{state.physical_address_bits};
    if ((state.cr4 & cr4_pae) == 0) {
        // PSE-36: bits 39:32 of the address at most.
        return is_large ? bit_range(21, (width < 40 ? width : 40) - 19) : 0;
    }
    std::uint64_t reserved{bit_range(51, width)};
    if ((state.efer & efer_nxe) == 0) reserved |= bit_range(63, 63);
    if ((state.efer & efer_lma) == 0) reserved |= bit_range(62, 52);
    const bool never_large{level > 3 || (level == 3 && !state.has_1gib_pages)};
    if (never_large) return reserved | entry_large;
    return is_large ? reserved | bit_range(level == 3 ? 29 : 20, 13) : reserved;
}

// 5.6.2: the page's key, bits 62:59 of its entry, has two bits in a register of rights.
[[nodiscard]] constexpr bool key_denies(const PagingState& state, std::uint64_t entry, bool user_page,
                                        bool write) {
    const bool on{(state.efer & efer_lma) != 0 && (state.cr4 & (user_page ? cr4_pke : cr4_pks)) != 0};
    if (!on) return false;
    constexpr std::uint32_t access_disable{1}, write_disable{2};
    const std::uint32_t rights{(user_page ? state.pkru : state.pkrs) >> (entry >> 59 & 0xF) * 2};
    if ((rights & access_disable) != 0) return true;
    return write && (rights & write_disable) != 0 && (state.cr0 & cr0_wp) != 0;
}

} // namespace detail

// `memory` offers read64(physical), read32(physical) and write64/write32 for accessed and dirty flags.
template <typename Memory>
[[nodiscard]] LinearTranslation translate(Memory& memory, const PagingState& state, std::uint64_t linear,
                                          bool write) {
    using namespace detail;
    if ((state.cr0 & cr0_pg) == 0) return {true, linear & 0xFFFF'FFFF, 0};

    const bool long_mode{(state.efer & efer_lma) != 0};
    const bool pae{(state.cr4 & cr4_pae) != 0};
    const std::uint32_t write_bit{write ? fault_write : 0U};
    const int levels{long_mode ? ((state.cr4 & cr4_la57) != 0 ? 5 : 4) : 2};
    int level{levels};
    const unsigned bits_per_level{pae ? 9U : 10U};
    const unsigned entry_size{pae ? 8U : 4U};
    std::uint64_t table{state.cr3 & (pae ? address_mask : 0xFFFF'F000)};
    if (!long_mode) linear &= 0xFFFF'FFFF;
    if (!long_mode && pae) {
        const std::uint64_t pdpte{state.pdpte[linear >> 30 & 3]};
        if ((pdpte & entry_present) == 0) return {false, 0, write_bit};
        table = pdpte & address_mask;
    }

    std::uint64_t rights{entry_writable | entry_user};
    for (;; --level) {
        const unsigned shift{12 + bits_per_level * static_cast<unsigned>(level - 1)};
        const std::uint64_t index{linear >> shift & ((1U << bits_per_level) - 1)};
        const std::uint64_t place{table + index * entry_size};
        std::uint64_t entry{pae ? memory.read64(place) : memory.read32(place)};
        if ((entry & entry_present) == 0) return {false, 0, write_bit};
        rights &= entry;
        const bool may_be_large{pae ? level == 2 || level == 3 : level == 2 && (state.cr4 & cr4_pse) != 0};
        const bool is_large{may_be_large && (entry & entry_large) != 0};
        if ((entry & reserved_bits(state, level, is_large)) != 0) {
            return {false, 0, fault_present | write_bit | fault_reserved};
        }
        const bool leaf{level == 1 || is_large};
        if (leaf) {
            // Supervisor access: CR0.WP protects read-only pages, CR4.SMAP user pages unless EFLAGS.AC is
            // set.
            const bool user_page{(rights & entry_user) != 0};
            const bool smap_denies{user_page && (state.cr4 & cr4_smap) != 0 &&
                                   (state.rflags & rflags_ac) == 0};
            const bool wp_denies{write && (rights & entry_writable) == 0 && (state.cr0 & cr0_wp) != 0};
            const bool denied_by_key{key_denies(state, entry, user_page, write)};
            if (smap_denies || wp_denies || denied_by_key) {
                const std::uint32_t key_bit{denied_by_key ? fault_protection_key : 0U};
                return {false, 0, fault_present | write_bit | key_bit};
            }
        }
        const std::uint64_t flags{entry_accessed | (leaf && write ? entry_dirty : 0)};
        if ((entry & flags) != flags) {
            if (pae) {
                memory.write64(place, entry | flags);
            } else {
                memory.write32(place, static_cast<std::uint32_t>(entry | flags));
            }
        }
        if (leaf) {
            const std::uint64_t offset_mask{(std::uint64_t{1} << shift) - 1};
            std::uint64_t base{entry & address_mask & ~offset_mask};
            // A 4-MiB page's bits 39:32 lie in bits 20:13 of its entry (PSE-36; SDM Vol. 3A, Table 4-4).
            if (!pae && level == 2) base = (entry & 0xFFC0'0000) | (entry >> 13 & 0xFF) << 32;
            return {true, base | (linear & offset_mask), 0, static_cast<std::uint32_t>(levels - level + 1)};
        }
        table = entry & (pae ? address_mask : 0xFFFF'F000);
    }
}

} // namespace shadowtune::memory
