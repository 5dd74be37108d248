#pragma once

// Physical memory as L1 sees it: all of the machine's, but L0's region replaced by one sink page, and perhaps
// an option ROM of L0's where the machine has none (l1/bios_rom.hpp). A sink takes writes and gives back what
// was written there last (all ones at first), as little as an address without memory would; it holds nothing
// of L0's. The EPT that runs L1, the EPT composed for L2 and L0's own accesses on behalf of L1 all ask here,
// so that no pointer in a vmcs12, no operand of a VMX instruction and no EPT entry of L1 reaches L0.

#include "hypervisor/memory/l0_memory.hpp"

#include <cstdint>

namespace shadowtune::memory {

class L1Memory {
public:
    // `mapped_end`: the end of the one-to-one map; above it an access by L0 meets the sink, too.
    L1Memory(const L0Memory& l0, std::uint64_t sink, std::uint64_t mapped_end)
        : m_hidden{l0.region()}, m_sink{sink}, m_mapped_end{mapped_end} {}

    [[nodiscard]] MemoryRange hidden() const { return m_hidden; }
    [[nodiscard]] std::uint64_t sink() const { return m_sink; }

    // Puts the host-physical page `host` at L1's `page`, outside of L0's region. L1 may write to it, as to an
    // adapter's ROM that is shadowed in RAM.
    void put_rom(std::uint64_t page, std::uint64_t host) {
        m_rom_page = page;
        m_rom_host = host;
    }

    static constexpr std::uint64_t no_rom{~std::uint64_t{0}};
    [[nodiscard]] std::uint64_t rom_page() const { return m_rom_page; }

    // The host-physical page behind an L1-physical page; the offset within the page is kept.
    [[nodiscard]] std::uint64_t host_address(std::uint64_t address) const {
        const std::uint64_t offset{address & (page_size - 1)};
        if (address >= m_hidden.begin && address < m_hidden.end) return m_sink + offset;
        return address - offset == m_rom_page ? m_rom_host + offset : address;
    }

    // True where all of [address, address + size) is mapped one to one: larger pages may be used.
    [[nodiscard]] bool is_identity(std::uint64_t address, std::uint64_t size) const {
        const MemoryRange range{address, address + size};
        return !m_hidden.overlaps(range) && !range_of(m_rom_page, page_size).overlaps(range);
    }

    // False above L0's one-to-one map, where an access by L0 meets the sink.
    [[nodiscard]] bool is_mapped(std::uint64_t address) const { return address < m_mapped_end; }

    // A pointer to L1-physical memory, good up to the end of its 4-KiB page.
    [[nodiscard]] void* pointer(std::uint64_t address) const {
        const std::uint64_t host{is_mapped(address) ? host_address(address)
                                                    : m_sink + (address & (page_size - 1))};
        return at_physical<void>(host);
    }

    void read(std::uint64_t address, void* to, std::size_t size) const;
    void write(std::uint64_t address, const void* from, std::size_t size) const;

    void write64(std::uint64_t address, std::uint64_t value) const { write(address, &value, sizeof(value)); }
    void write32(std::uint64_t address, std::uint32_t value) const { write(address, &value, sizeof(value)); }
    [[nodiscard]] std::uint32_t read32(std::uint64_t address) const {
        std::uint32_t value{};
        read(address, &value, sizeof(value));
        return value;
    }
    [[nodiscard]] std::uint64_t read64(std::uint64_t address) const {
        std::uint64_t value{};
        read(address, &value, sizeof(value));
        return value;
    }

private:
    MemoryRange m_hidden;
    std::uint64_t m_sink;
    std::uint64_t m_mapped_end;
    std::uint64_t m_rom_page{no_rom};
    std::uint64_t m_rom_host{0};
};

} // namespace shadowtune::memory
