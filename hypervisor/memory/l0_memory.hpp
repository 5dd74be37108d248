#pragma once

// L0's own region of physical memory: the image in front, behind it a pool that is handed out at start and
// never after. All memory is mapped one to one as well, so that a physical address is a pointer.

#include "hypervisor/memory/memory_map.hpp"

#include <cstddef>
#include <cstdint>
#include <new>

namespace shadowtune::memory {

class L0Memory {
public:
    // `pool` is the part of `region` behind the image.
    L0Memory(MemoryRange region, MemoryRange pool) : m_region{region}, m_next{pool.begin}, m_end{pool.end} {}

    [[nodiscard]] MemoryRange region() const { return m_region; }
    [[nodiscard]] bool holds(std::uint64_t address) const {
        return address >= m_region.begin && address < m_region.end;
    }

    // `count` zeroed 4-KiB pages; the physical address of the first. Stops L0 where the pool is too small:
    // that is found at start or never.
    [[nodiscard]] std::uint64_t take_pages(std::size_t count);

    template <typename T>
    [[nodiscard]] T* take() {
        return new (reinterpret_cast<void*>(take_pages((sizeof(T) + page_size - 1) / page_size))) T{};
    }

    [[nodiscard]] std::size_t pages_left() const {
        return static_cast<std::size_t>((m_end - m_next) / page_size);
    }

private:
    MemoryRange m_region;
    std::uint64_t m_next;
    std::uint64_t m_end;
};

// Physical memory through the one-to-one map.
template <typename T>
[[nodiscard]] T* at_physical(std::uint64_t address) {
    return reinterpret_cast<T*>(address);
}

// L0's final page tables: the image at its virtual address, physical memory up to `mapped_end` one to one.
// Returns the value for CR3.
[[nodiscard]] std::uint64_t build_page_tables(L0Memory& memory, std::uint64_t image_virtual,
                                              std::uint64_t image_size, std::uint64_t mapped_end);

} // namespace shadowtune::memory
