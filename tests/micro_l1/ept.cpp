#include "tests/micro_l1/ept.hpp"

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t large_size{2U << 20};
constexpr std::uint64_t address_mask{0x000FFFFFFFFFF000U};

[[nodiscard]] std::uint64_t leaf(std::uint64_t host_physical, std::uint64_t rights) {
    return rights == 0 ? 0 : (host_physical | rights | ept_write_back);
}

} // namespace

void Ept::map_identity() {
    m_splits = 0;
    for (auto& entry : m_pml4.entries)
        entry = 0;
    for (auto& entry : m_pdpt.entries)
        entry = 0;
    m_pml4.entries[0] = physical(&m_pdpt) | ept_all;
    for (std::size_t i{0}; i < 4; ++i)
        m_pdpt.entries[i] = physical(&m_directories[i]) | ept_all;
    for (std::uint64_t page{0}; page < 2048; ++page)
        map_large(page * large_size, page * large_size, ept_all);
}

std::uint64_t& Ept::large_entry(std::uint64_t guest_physical) {
    return m_directories[(guest_physical >> 30) & 3U].entries[(guest_physical >> 21) & 511U];
}

void Ept::map_large(std::uint64_t guest_physical, std::uint64_t host_physical, std::uint64_t rights) {
    const std::uint64_t entry{leaf(host_physical, rights)};
    large_entry(guest_physical) = entry == 0 ? 0 : (entry | ept_large);
}

void Ept::set_directory_entry(std::uint64_t guest_physical, std::uint64_t entry) {
    large_entry(guest_physical) = entry;
}

std::uint64_t& Ept::small_entry(std::uint64_t guest_physical) {
    std::uint64_t& directory_entry{large_entry(guest_physical)};
    if ((directory_entry & ept_large) != 0 || directory_entry == 0) {
        if (m_splits == max_splits) {
            print_line("FAIL ept: more than ", max_splits, " regions split");
            power_off();
        }
        Table& table{m_tables[m_splits++]};
        const std::uint64_t base{guest_physical & ~(large_size - 1)};
        for (std::uint64_t i{0}; i < 512; ++i)
            table.entries[i] = leaf(base + i * 4096, ept_all);
        directory_entry = physical(&table) | ept_all;
    }
    auto* const table{reinterpret_cast<Table*>(directory_entry & address_mask)};
    return table->entries[(guest_physical >> 12) & 511U];
}

void Ept::map_small(std::uint64_t guest_physical, std::uint64_t host_physical, std::uint64_t rights) {
    small_entry(guest_physical) = leaf(host_physical, rights);
}

void Ept::add_flags(std::uint64_t flags) {
    const auto add{[flags](Table& table) {
        for (auto& entry : table.entries) {
            if ((entry & ept_all) != 0) entry |= flags;
        }
    }};
    add(m_pml4);
    add(m_pdpt);
    for (Table& directory : m_directories)
        add(directory);
    for (std::size_t i{0}; i < m_splits; ++i)
        add(m_tables[i]);
}

std::uint64_t Ept::pointer(bool accessed_and_dirty) const {
    constexpr std::uint64_t four_levels{3U << 3};
    constexpr std::uint64_t write_back{6};
    return physical(&m_pml4) | four_levels | write_back | (accessed_and_dirty ? 64U : 0U);
}

bool ept_accessed_dirty_supported() {
    return (read_msr(0x48C) >> 21 & 1U) != 0;
}

void flush_ept() {
    constexpr std::uint64_t all_contexts{2};
    alignas(16) const std::uint64_t descriptor[2]{0, 0};
    if (invept_at(all_contexts, descriptor) != VmxResult::succeed)
        print_line("FAIL invept: all contexts refused");
}

} // namespace shadowtune::micro_l1
