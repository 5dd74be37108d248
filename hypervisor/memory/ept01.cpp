#include "hypervisor/memory/ept01.hpp"

namespace shadowtune::memory {

namespace {

constexpr std::uint64_t read_write_execute{0x7};
constexpr std::uint64_t large{0x80};
constexpr unsigned memory_type_shift{3};
constexpr std::uint64_t one_gib{0x4000'0000};
constexpr std::uint64_t span_of_pdpt{std::uint64_t{1} << 39};
// EPTP: write-back tables, page-walk length 4 (SDM Vol. 3C, Table 25-9).
constexpr std::uint64_t eptp_write_back_four_levels{ept_write_back | 3U << 3};
constexpr std::uint64_t write_bit{0x2};
constexpr std::uint64_t entry_address_mask{0x000F'FFFF'FFFF'F000};
constexpr unsigned root_shift{39}, leaf_shift{12};

class Builder {
public:
    Builder(L0Memory& memory, const L1Memory& l1, const MemoryMap& machine, bool one_gib_pages)
        : m_memory{memory}, m_l1{l1}, m_machine{machine}, m_one_gib_pages{one_gib_pages} {}

    [[nodiscard]] std::uint64_t build(std::uint64_t end) {
        const std::uint64_t root{m_memory.take_pages(1)};
        auto* const pml4{at_physical<std::uint64_t>(root)};
        for (std::uint64_t address{0}; address < end; address += one_gib) {
            auto* const pdpt{below(pml4[address / span_of_pdpt])};
            map_gib(pdpt[address / one_gib % 512], address);
        }
        return root;
    }

private:
    // One type and no hole: the range may be one leaf.
    [[nodiscard]] bool is_uniform(std::uint64_t address, std::uint64_t size) const {
        if (!m_l1.is_identity(address, size)) return false;
        const MemoryRange range{address, address + size};
        if (m_machine.is_ram(range)) return true;
        for (const auto& region : m_machine.regions()) {
            if (region.type == MemoryType::ram && region.range.overlaps(range)) return false;
        }
        return true;
    }

    [[nodiscard]] std::uint64_t leaf(std::uint64_t address, std::uint64_t size) const {
        const std::uint64_t type{m_l1.is_identity(address, size)
                                     ? memory_type_of_range(m_machine, address, size)
                                     : ept_write_back};
        return m_l1.host_address(address) | read_write_execute | type << memory_type_shift;
    }

    void map_gib(std::uint64_t& entry, std::uint64_t address) {
        if (m_one_gib_pages && is_uniform(address, one_gib)) {
            entry = leaf(address, one_gib) | large;
            return;
        }
        auto* const directory{below(entry)};
        for (unsigned i{0}; i < 512; ++i)
            map_two_mib(directory[i], address + i * large_page_size);
    }

    void map_two_mib(std::uint64_t& entry, std::uint64_t address) {
        if (is_uniform(address, large_page_size)) {
            entry = leaf(address, large_page_size) | large;
            return;
        }
        auto* const table{below(entry)};
        for (unsigned i{0}; i < 512; ++i)
            table[i] = leaf(address + i * page_size, page_size);
    }

    [[nodiscard]] std::uint64_t* below(std::uint64_t& entry) {
        if (entry == 0) entry = m_memory.take_pages(1) | read_write_execute;
        return at_physical<std::uint64_t>(entry & ~(page_size - 1));
    }

    L0Memory& m_memory;
    const L1Memory& m_l1;
    const MemoryMap& m_machine;
    bool m_one_gib_pages;
};

} // namespace

std::uint64_t memory_type_of_range(const MemoryMap& machine, std::uint64_t address, std::uint64_t size) {
    return machine.is_ram({address, address + size}) ? ept_write_back : ept_uncacheable;
}

std::uint64_t build_ept01(L0Memory& memory, const L1Memory& l1, const MemoryMap& machine,
                          unsigned physical_width, bool one_gib_pages) {
    // A four-level table reaches 48 bits.
    const unsigned width{physical_width < 48 ? physical_width : 48};
    const std::uint64_t end{std::uint64_t{1} << (width < 32 ? 32 : width)};
    return Builder{memory, l1, machine, one_gib_pages}.build(end) | eptp_write_back_four_levels;
}

void mask_a20(std::uint64_t eptp, const L1Memory& l1, const MemoryMap& machine, bool masked) {
    constexpr std::uint64_t bit_20{1U << 20}, reach{0x1'0000};
    constexpr unsigned directory_level{3};
    std::uint64_t entry{eptp};
    for (unsigned level{0}; level < directory_level; ++level)
        entry = *at_physical<std::uint64_t>(entry & ~(page_size - 1));
    // The first 2 MiB hold the BIOS's and the VGA's memory: they are no large page.
    auto* const table{at_physical<std::uint64_t>(entry & ~(page_size - 1))};
    for (std::uint64_t offset{0}; offset < reach; offset += page_size) {
        const std::uint64_t address{masked ? offset : bit_20 + offset};
        const std::uint64_t type{memory_type_of_range(machine, address, page_size)};
        table[(bit_20 + offset) / page_size] =
            l1.host_address(address) | read_write_execute | type << memory_type_shift;
    }
}

bool Ept01Pages::split(std::uint64_t& entry, unsigned shift) {
    if (m_left == 0) return false;
    const std::uint64_t page{m_spare};
    m_spare += page_size;
    --m_left;
    const unsigned below{shift - 9};
    const std::uint64_t size_bit{below == leaf_shift ? 0 : large};
    auto* const table{at_physical<std::uint64_t>(page)};
    for (std::uint64_t i{0}; i < 512; ++i)
        table[i] = ((entry & ~large) + (i << below)) | size_bit;
    __atomic_store_n(&entry, page | read_write_execute, __ATOMIC_RELEASE);
    return true;
}

bool Ept01Pages::set_writable(std::uint64_t address, bool writable) {
    std::uint64_t table{m_root};
    for (unsigned shift{root_shift};; shift -= 9) {
        std::uint64_t& entry{at_physical<std::uint64_t>(table)[address >> shift & 511]};
        if (address >> (root_shift + 9) != 0 || entry == 0) return false;
        if (shift == leaf_shift) {
            __atomic_store_n(&entry, writable ? entry | write_bit : entry & ~write_bit, __ATOMIC_RELEASE);
            return true;
        }
        if ((entry & large) != 0 && !split(entry, shift)) return false;
        table = entry & entry_address_mask;
    }
}

bool Ept01Pages::is_writable(std::uint64_t address) const {
    std::uint64_t table{m_root};
    for (unsigned shift{root_shift};; shift -= 9) {
        const std::uint64_t entry{at_physical<std::uint64_t>(table)[address >> shift & 511]};
        if (address >> (root_shift + 9) != 0 || entry == 0) return false;
        if (shift == leaf_shift || (entry & large) != 0) return (entry & write_bit) != 0;
        table = entry & entry_address_mask;
    }
}

} // namespace shadowtune::memory
