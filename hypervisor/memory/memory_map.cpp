#include "hypervisor/memory/memory_map.hpp"

#include <algorithm>

namespace shadowtune::memory {
namespace {

// Takes regions in rising order, merges equal neighbours, and notices when there are too many.
class RegionList {
public:
    void append(MemoryRange range, MemoryType type) {
        if (range.empty()) return;
        if (m_count != 0 && m_regions[m_count - 1].range.end == range.begin &&
            m_regions[m_count - 1].type == type) {
            m_regions[m_count - 1].range.end = range.end;
            return;
        }
        if (m_count == MemoryMap::capacity) {
            m_overflow = true;
            return;
        }
        m_regions[m_count++] = {range, type};
    }

    [[nodiscard]] bool overflow() const { return m_overflow; }
    [[nodiscard]] std::span<const MemoryRegion> regions() const { return {m_regions, m_count}; }

private:
    MemoryRegion m_regions[MemoryMap::capacity]{};
    std::size_t m_count{0};
    bool m_overflow{false};
};

// The lowest or highest place in `room` clear of all obstacles, or an empty range. Each obstacle met moves
// the candidate past itself, so this ends after at most one step per obstacle.
MemoryRange room_in(MemoryRange room, std::span<const MemoryRange> obstacles, const RoomDemand& demand) {
    for (;;) {
        if (room.size() < demand.size) return {};
        const std::uint64_t begin{demand.highest ? align_down(room.end - demand.size, demand.alignment)
                                                 : align_up(room.begin, demand.alignment)};
        // The lowest multiple may lie above the room, or beyond 2^64 and so wrapped to 0.
        if (begin < room.begin || begin > room.end - demand.size) return {};
        const MemoryRange candidate{begin, begin + demand.size};
        const auto obstacle = std::ranges::find_if(
            obstacles, [&](const MemoryRange& range) { return range.overlaps(candidate); });
        if (obstacle == obstacles.end()) return candidate;
        if (demand.highest) {
            room.end = obstacle->begin;
        } else {
            room.begin = obstacle->end;
        }
    }
}

} // namespace

Result<void, MemoryMapError> MemoryMap::assign(MemoryRange range, MemoryType type, bool force) {
    if (range.empty()) return {};
    RegionList list;
    // What of `range` is not yet in the list starts here.
    std::uint64_t position{range.begin};
    for (const MemoryRegion& old : regions()) {
        const MemoryRange common{std::max(old.range.begin, range.begin), std::min(old.range.end, range.end)};
        if (common.empty()) {
            if (old.range.begin >= range.end) {
                list.append({position, range.end}, type);
                position = range.end;
            }
            list.append(old.range, old.type);
            continue;
        }
        list.append({old.range.begin, common.begin}, old.type);
        list.append({position, common.begin}, type);
        list.append(common, force ? type : std::max(type, old.type));
        list.append({common.end, old.range.end}, old.type);
        position = common.end;
    }
    list.append({position, range.end}, type);

    // All or nothing: a map that silently lost a reservation would give L0's memory away.
    if (list.overflow()) return Failure{MemoryMapError::full};
    std::ranges::copy(list.regions(), m_regions);
    m_count = list.regions().size();
    return {};
}

Result<void, MemoryMapError> MemoryMap::add(MemoryRange range, MemoryType type) {
    return assign(range, type, false);
}

Result<void, MemoryMapError> MemoryMap::reserve(MemoryRange range) {
    return assign(range, MemoryType::reserved, true);
}

bool MemoryMap::is_ram(MemoryRange range) const {
    if (range.empty()) return false;
    // Neighbouring RAM is merged, so one region holds all of it or the answer is no.
    return std::ranges::any_of(regions(), [&](const MemoryRegion& region) {
        return region.type == MemoryType::ram && region.range.contains(range);
    });
}

std::uint64_t MemoryMap::top_of_ram(std::uint64_t limit) const {
    std::uint64_t top{0};
    for (const MemoryRegion& region : regions()) {
        if (region.type == MemoryType::ram && region.range.begin < limit)
            top = std::min(region.range.end, limit);
    }
    return top;
}

std::uint64_t MemoryMap::top_of_memory() const {
    std::uint64_t top{0};
    for (const MemoryRegion& region : regions()) {
        if (region.type != MemoryType::reserved && region.type != MemoryType::unusable)
            top = region.range.end;
    }
    return top;
}

Result<MemoryRange, MemoryMapError> find_room(const MemoryMap& map, std::span<const MemoryRange> obstacles,
                                              const RoomDemand& demand) {
    if (demand.size == 0) return Failure{MemoryMapError::bad_size};
    const auto regions = map.regions();
    for (std::size_t i{0}; i < regions.size(); ++i) {
        const MemoryRegion& region{regions[demand.highest ? regions.size() - 1 - i : i]};
        if (region.type != MemoryType::ram) continue;
        const auto place = room_in({std::max(region.range.begin, demand.window.begin),
                                    std::min(region.range.end, demand.window.end)},
                                   obstacles, demand);
        if (!place.empty()) return place;
    }
    return Failure{MemoryMapError::no_free_room};
}

Result<MemoryRange, MemoryMapError>
choose_l0_region(const MemoryMap& map, std::span<const MemoryRange> occupied, std::uint64_t size) {
    if (size == 0 || size % large_page_size != 0) return Failure{MemoryMapError::bad_size};
    return find_room(map, occupied, {size, large_page_size, {0, four_gib}, true});
}

} // namespace shadowtune::memory
