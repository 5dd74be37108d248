#pragma once

// The physical memory map as firmware tells it (e820 types), kept sorted and free of overlaps, and the choice
// of the place where L0 lives. Plain data of fixed capacity. Addresses and sizes are bytes of physical
// memory.

#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::memory {

inline constexpr std::uint64_t page_size{0x1000};
inline constexpr std::uint64_t large_page_size{0x20'0000};
inline constexpr std::uint64_t four_gib{0x1'0000'0000};

// [begin, end); empty where end <= begin.
struct MemoryRange {
    std::uint64_t begin{0};
    std::uint64_t end{0};

    [[nodiscard]] constexpr bool empty() const { return end <= begin; }
    [[nodiscard]] constexpr std::uint64_t size() const { return empty() ? 0 : end - begin; }
    [[nodiscard]] constexpr bool overlaps(const MemoryRange& other) const {
        return !empty() && !other.empty() && begin < other.end && other.begin < end;
    }
    [[nodiscard]] constexpr bool contains(const MemoryRange& other) const {
        return begin <= other.begin && other.end <= end;
    }
    [[nodiscard]] constexpr bool operator==(const MemoryRange&) const = default;
};

// [begin, begin + size), cut at 2^64 instead of wrapping.
[[nodiscard]] constexpr MemoryRange range_of(std::uint64_t begin, std::uint64_t size) {
    return {begin, size > ~begin ? ~std::uint64_t{0} : begin + size};
}

// `alignment` is a power of two. align_up wraps to 0 above the last multiple below 2^64.
[[nodiscard]] constexpr std::uint64_t align_down(std::uint64_t address, std::uint64_t alignment) {
    return address & ~(alignment - 1);
}
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t address, std::uint64_t alignment) {
    return align_down(address + (alignment - 1), alignment);
}

// The types of ACPI 6.5 table 15.4 that both multiboots use too; any other number counts as reserved.
// In rising order of what wins where two entries of a firmware overlap.
enum class MemoryType : std::uint32_t {
    ram = 1,
    reserved = 2,
    acpi_reclaimable = 3,
    acpi_nvs = 4,
    unusable = 5,
};

[[nodiscard]] constexpr MemoryType memory_type_of(std::uint32_t number) {
    return number >= 1 && number <= 5 ? static_cast<MemoryType>(number) : MemoryType::reserved;
}

struct MemoryRegion {
    MemoryRange range;
    MemoryType type{MemoryType::reserved};

    [[nodiscard]] constexpr bool operator==(const MemoryRegion&) const = default;
};

enum class MemoryMapError : std::uint8_t {
    none,
    full,         // more than MemoryMap::capacity regions would be needed; the map is unchanged
    no_free_room, // no RAM of that size and alignment
    bad_size,     // zero, or not a multiple of 2 MiB
};

// Sorted, non-overlapping, neighbours of one type merged. What no region covers is a hole (no RAM).
class MemoryMap {
public:
    // Linux's zero page holds 128 entries and no more (boot protocol, E820_MAX_ENTRIES_ZEROPAGE).
    static constexpr std::size_t capacity{128};

    // Adds a firmware's entry; where it overlaps earlier ones the less usable type wins. Empty ranges are
    // ignored.
    [[nodiscard]] Result<void, MemoryMapError> add(MemoryRange range, MemoryType type);

    // Makes `range` reserved whatever it was, holes included: L0's memory in the map that L1 gets.
    [[nodiscard]] Result<void, MemoryMapError> reserve(MemoryRange range);

    [[nodiscard]] std::span<const MemoryRegion> regions() const { return {m_regions, m_count}; }

    // True where every byte is RAM; false for an empty range.
    [[nodiscard]] bool is_ram(MemoryRange range) const;

    // The end of the highest RAM below `limit`, 0 where there is none.
    [[nodiscard]] std::uint64_t top_of_ram(std::uint64_t limit = ~std::uint64_t{0}) const;

    // The end of the highest region of any type but unusable and reserved: how far an identity map for L1
    // must reach at the least (devices' windows come on top).
    [[nodiscard]] std::uint64_t top_of_memory() const;

private:
    // Gives `range` the type; over what is there already, only where `force` or where it is less usable.
    [[nodiscard]] Result<void, MemoryMapError> assign(MemoryRange range, MemoryType type, bool force);

    MemoryRegion m_regions[capacity]{};
    std::size_t m_count{0};
};

// What find_room() looks for: `size` (not 0) bytes at a multiple of `alignment` (a power of two), wholly in
// `window`.
struct RoomDemand {
    std::uint64_t size{0};
    std::uint64_t alignment{page_size};
    MemoryRange window{0, four_gib};
    bool highest{false}; // the highest such place instead of the lowest
};

// The place in RAM of `map` that overlaps none of `obstacles`.
[[nodiscard]] Result<MemoryRange, MemoryMapError>
find_room(const MemoryMap& map, std::span<const MemoryRange> obstacles, const RoomDemand& demand);

// The highest free RAM of `size` bytes (a multiple of 2 MiB), aligned to 2 MiB, below 4 GiB, that overlaps
// none of `occupied` (boot modules, the loaded VMM image, the multiboot information). Below 4 GiB, because
// start-up code of other processors and 32-bit pointers must reach it; highest, because old L1s want low
// memory.
[[nodiscard]] Result<MemoryRange, MemoryMapError>
choose_l0_region(const MemoryMap& map, std::span<const MemoryRange> occupied, std::uint64_t size);

} // namespace shadowtune::memory
