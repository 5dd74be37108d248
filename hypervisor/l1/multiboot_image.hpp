#pragma once

// The parts of a multiboot image and where they are linked, from its ELF program headers (System V ABI,
// "Program Header"; 32 and 64 bit) or from the address fields of its multiboot header.

#include "hypervisor/l1/multiboot_header.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::l1 {

// File bytes at `offset` go to physical `address`; memory_size - file_size zero bytes follow. All below 4
// GiB.
struct Segment {
    std::uint64_t offset{0};
    std::uint64_t file_size{0};
    std::uint64_t address{0};
    std::uint64_t memory_size{0};

    [[nodiscard]] memory::MemoryRange range() const { return memory::range_of(address, memory_size); }
};

struct MultibootImage {
    static constexpr std::size_t max_segments{32};

    Segment segments[max_segments]{}; // in the order of the file; none is empty, none overlaps another
    std::size_t count{0};
    std::uint64_t entry{0}; // physical, within a segment

    [[nodiscard]] std::span<const Segment> view() const { return {segments, count}; }
    // From the lowest to the highest byte.
    [[nodiscard]] memory::MemoryRange span() const;
};

// Refuses an image that is cut off, contradicts itself, or has no ELF header where it needs one.
[[nodiscard]] Result<MultibootImage, boot::BootError> read_multiboot_image(std::span<const std::uint8_t> file,
                                                                           const MultibootHeader& header);

} // namespace shadowtune::l1
