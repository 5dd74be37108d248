#include "hypervisor/memory/l0_memory.hpp"

#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"

namespace shadowtune::memory {

namespace {

// SDM Vol. 3A, 4.5 "4-Level Paging and 5-Level Paging".
constexpr std::uint64_t present_writable{0x3};
constexpr std::uint64_t large{0x80};
constexpr std::size_t entries_per_table{512};
constexpr std::uint64_t one_gib{0x4000'0000};

[[nodiscard]] unsigned slot(std::uint64_t address, unsigned shift) {
    return static_cast<unsigned>(address >> shift & (entries_per_table - 1));
}

[[nodiscard]] std::uint64_t* table_below(L0Memory& memory, std::uint64_t& entry) {
    if (entry == 0) entry = memory.take_pages(1) | present_writable;
    return at_physical<std::uint64_t>(entry & ~(page_size - 1));
}

void map_large(L0Memory& memory, std::uint64_t* pml4, std::uint64_t address, std::uint64_t physical) {
    auto* const pdpt{table_below(memory, pml4[slot(address, 39)])};
    auto* const directory{table_below(memory, pdpt[slot(address, 30)])};
    directory[slot(address, 21)] = physical | present_writable | large;
}

[[nodiscard]] bool has_one_gib_pages() {
    return (cpu::cpuid(0x8000'0001).edx >> 26 & 1U) != 0;
}

} // namespace

std::uint64_t L0Memory::take_pages(std::size_t count) {
    const std::uint64_t first{m_next};
    if (count > pages_left()) cpu::panic("L0's memory pool is too small; pages asked for", count);
    m_next += count * page_size;
    __builtin_memset(at_physical<void>(first), 0, count * page_size);
    return first;
}

std::uint64_t build_page_tables(L0Memory& memory, std::uint64_t image_virtual, std::uint64_t image_size,
                                std::uint64_t mapped_end) {
    const std::uint64_t root{memory.take_pages(1)};
    auto* const pml4{at_physical<std::uint64_t>(root)};
    const bool use_one_gib{has_one_gib_pages()};
    for (std::uint64_t address{0}; address < mapped_end; address += one_gib) {
        if (use_one_gib) {
            auto* const pdpt{table_below(memory, pml4[slot(address, 39)])};
            pdpt[slot(address, 30)] = address | present_writable | large;
        } else {
            for (std::uint64_t part{0}; part < one_gib; part += large_page_size) {
                map_large(memory, pml4, address + part, address + part);
            }
        }
    }
    for (std::uint64_t offset{0}; offset < image_size; offset += large_page_size) {
        map_large(memory, pml4, image_virtual + offset, memory.region().begin + offset);
    }
    return root;
}

} // namespace shadowtune::memory
