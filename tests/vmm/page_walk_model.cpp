#include "tests/vmm/page_walk_model.hpp"

#include <optional>

namespace shadowtune::testing {

namespace {

[[nodiscard]] std::uint64_t bits(std::uint64_t value, unsigned high, unsigned low) {
    return value >> low & ((std::uint64_t{1} << (high - low + 1)) - 1);
}
[[nodiscard]] bool bit(std::uint64_t value, unsigned number) {
    return bits(value, number, number) != 0;
}

struct Used {
    std::uint64_t place;
    std::uint64_t entry;
};

// The entries that led to a page, the last of which maps it, and the address behind.
struct Walk {
    const memory::PagingState& state;
    std::vector<Used> used{};
    std::optional<std::uint64_t> physical{};
    bool reserved{false};
};

enum class Kind { pml4e, pdpte, pde, pte };

// Bit by bit.
[[nodiscard]] bool is_reserved(const memory::PagingState& state, Kind kind, bool large, unsigned number) {
    const bool four_level{bit(state.efer, 10)};
    if (number == 63) return !bit(state.efer, 11);
    if (number > 51) return !four_level;
    if (number >= state.physical_address_bits) return true;
    const bool may_be_large{kind == Kind::pde || (kind == Kind::pdpte && state.has_1gib_pages)};
    if (number == 7) return kind == Kind::pml4e || (kind == Kind::pdpte && !may_be_large);
    if (!large || !may_be_large || number < 13) return false;
    return number < (kind == Kind::pdpte ? 30 : 21);
}
[[nodiscard]] bool is_reserved_32_bit(const memory::PagingState& state, Kind kind, bool large,
                                      unsigned number) {
    if (kind == Kind::pte || !bit(state.cr4, 4) || !large) return false;
    // Bits 20:13 are the address's 39:32.
    return number == 21 || (number >= 13 && number < 21 && number + 19 >= state.physical_address_bits);
}

[[nodiscard]] bool step(TableMemory& memory, Walk& walk, std::uint64_t place, unsigned size, Kind kind) {
    const std::uint64_t entry{size == 8 ? memory.read64(place) : memory.read32(place)};
    if (!bit(entry, 0)) return false;
    for (unsigned number{0}; number < size * 8; ++number) {
        const bool is_one{bit(entry, number)};
        const bool must_be_zero{size == 8 ? is_reserved(walk.state, kind, bit(entry, 7), number)
                                          : is_reserved_32_bit(walk.state, kind, bit(entry, 7), number)};
        walk.reserved = walk.reserved || (is_one && must_be_zero);
    }
    if (walk.reserved) return false;
    walk.used.push_back({place, entry});
    return true;
}

// The tables that 4-level and PAE paging have in common: page directory and page table.
void walk_directory(TableMemory& memory, Walk& walk, std::uint64_t directory, std::uint64_t linear) {
    if (!step(memory, walk, directory + 8 * bits(linear, 29, 21), 8, Kind::pde)) return;
    const std::uint64_t pde{walk.used.back().entry};
    if (bit(pde, 7)) {
        walk.physical = bits(pde, 51, 21) << 21 | bits(linear, 20, 0); // 2-MiB page: Table 5-18
        return;
    }
    if (!step(memory, walk, (bits(pde, 51, 12) << 12) + 8 * bits(linear, 20, 12), 8, Kind::pte)) return;
    walk.physical = bits(walk.used.back().entry, 51, 12) << 12 | bits(linear, 11, 0);
}

[[nodiscard]] Walk walk_four_levels(TableMemory& memory, const memory::PagingState& state,
                                    std::uint64_t linear) {
    Walk walk{state};
    const std::uint64_t pml4{bits(state.cr3, 51, 12) << 12};
    if (!step(memory, walk, pml4 + 8 * bits(linear, 47, 39), 8, Kind::pml4e)) return walk;
    const std::uint64_t pml4e{walk.used.back().entry};
    const std::uint64_t pdpt{bits(pml4e, 51, 12) << 12};
    if (!step(memory, walk, pdpt + 8 * bits(linear, 38, 30), 8, Kind::pdpte)) return walk;
    const std::uint64_t pdpte{walk.used.back().entry};
    if (bit(pdpte, 7)) {
        walk.physical = bits(pdpte, 51, 30) << 30 | bits(linear, 29, 0); // 1-GiB page: Table 5-16
        return walk;
    }
    walk_directory(memory, walk, bits(pdpte, 51, 12) << 12, linear);
    return walk;
}

[[nodiscard]] Walk walk_pae(TableMemory& memory, const memory::PagingState& state, std::uint64_t linear) {
    Walk walk{state};
    // The PDPTEs are registers: no accessed flags, no rights.
    const std::uint64_t pdpte{state.pdpte[bits(linear, 31, 30)]};
    if (bit(pdpte, 0)) walk_directory(memory, walk, bits(pdpte, 51, 12) << 12, linear);
    return walk;
}

[[nodiscard]] Walk walk_32_bit(TableMemory& memory, const memory::PagingState& state, std::uint64_t linear) {
    Walk walk{state};
    const std::uint64_t directory{bits(state.cr3, 31, 12) << 12};
    if (!step(memory, walk, directory + 4 * bits(linear, 31, 22), 4, Kind::pde)) return walk;
    const std::uint64_t pde{walk.used.back().entry};
    if (bit(state.cr4, 4) && bit(pde, 7)) {
        walk.physical = bits(pde, 20, 13) << 32 | bits(pde, 31, 22) << 22 | bits(linear, 21, 0); // Table 5-4
        return walk;
    }
    const std::uint64_t table{bits(pde, 31, 12) << 12};
    if (!step(memory, walk, table + 4 * bits(linear, 21, 12), 4, Kind::pte)) return walk;
    walk.physical = bits(walk.used.back().entry, 31, 12) << 12 | bits(linear, 11, 0);
    return walk;
}

void set_flags(TableMemory& memory, const Used& used, unsigned size, bool dirty) {
    // One page of tables may serve two levels of one walk: the flags are added to what is there now.
    if (size == 8) {
        memory.write64(used.place, memory.read64(used.place) | 0x20U | (dirty ? 0x40U : 0U));
    } else {
        memory.write32(used.place, memory.read32(used.place) | 0x20U | (dirty ? 0x40U : 0U));
    }
}

} // namespace

memory::LinearTranslation model_translate(TableMemory& memory, const memory::PagingState& state,
                                          std::uint64_t linear, bool write) {
    if (!bit(state.cr0, 31)) return {true, bits(linear, 31, 0), 0};
    const bool pae{bit(state.cr4, 5)};
    const bool long_mode{bit(state.efer, 10)};
    const Walk walk{long_mode ? walk_four_levels(memory, state, linear)
                    : pae     ? walk_pae(memory, state, linear)
                              : walk_32_bit(memory, state, linear)};

    // 5.6.1: a page is writable, or a user page, where every entry says so.
    bool writable{true};
    bool user{true};
    for (const Used& used : walk.used) {
        writable = writable && bit(used.entry, 1);
        user = user && bit(used.entry, 2);
    }
    const bool denied_write{write && !writable && bit(state.cr0, 16)};
    const bool denied_user{user && bit(state.cr4, 21) && !bit(state.rflags, 18)};
    // 5.6.2: two bits for each of 16 keys.
    const bool keyed{walk.physical && long_mode && bit(state.cr4, user ? 22 : 24)};
    const std::uint64_t key{keyed ? bits(walk.used.back().entry, 62, 59) : 0};
    const std::uint32_t rights{user ? state.pkru : state.pkrs};
    const bool denied_by_key{
        keyed && (bit(rights, static_cast<unsigned>(2 * key)) ||
                  (write && bit(state.cr0, 16) && bit(rights, static_cast<unsigned>(2 * key + 1))))};
    const bool permitted{walk.physical && !denied_write && !denied_user && !denied_by_key};

    const unsigned size{pae ? 8U : 4U};
    for (std::size_t i{0}; i < walk.used.size(); ++i) {
        const bool leaf{walk.physical && i + 1 == walk.used.size()};
        if (!leaf || permitted) set_flags(memory, walk.used[i], size, leaf && write);
    }
    const std::uint32_t write_flag{write ? 2U : 0U};
    if (walk.reserved) return {false, 0, 9U | write_flag};
    if (!walk.physical) return {false, 0, write_flag};
    if (!permitted) return {false, 0, 1U | write_flag | (denied_by_key ? 32U : 0U)};
    return {true, *walk.physical, 0};
}

} // namespace shadowtune::testing
