#pragma once

// Hosted memory in the part of physical memory: 4-KiB pages whose address is a pointer, as in L0's one-to-one
// map.

#include "hypervisor/memory/memory_map.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace shadowtune::testing {

class Pages {
public:
    explicit Pages(std::size_t count, std::uint8_t fill = 0xA5) : m_pages{new Page[count]}, m_count{count} {
        std::memset(m_pages.get(), fill, count * memory::page_size);
    }

    [[nodiscard]] std::uint64_t begin() const { return reinterpret_cast<std::uint64_t>(m_pages.get()); }
    [[nodiscard]] std::uint64_t end() const { return begin() + m_count * memory::page_size; }
    [[nodiscard]] std::uint64_t page(std::size_t number) const {
        return begin() + number * memory::page_size;
    }
    [[nodiscard]] memory::MemoryRange range() const { return {begin(), end()}; }
    [[nodiscard]] std::uint8_t* bytes() const { return m_pages.get()->bytes; }

private:
    struct alignas(memory::page_size) Page {
        std::uint8_t bytes[memory::page_size];
    };

    std::unique_ptr<Page[]> m_pages;
    std::size_t m_count;
};

} // namespace shadowtune::testing
