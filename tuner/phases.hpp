#pragma once

// The phases of a recording: where the rates of accesses change for good. What a guest's creation and boot
// need once must not decide on what its steady work pays for.

#include "db/recording_reader.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace shadowtune::tuner {

// With fewer steps that have round trips nothing is concluded, and with more nothing is gained.
inline constexpr std::size_t fewest_steps{8};
inline constexpr std::size_t most_steps{128};

struct Phases {
    std::vector<db::SnapshotRange> ranges; // in order, none missing; empty: not enough data
    std::size_t steady{0};                 // the last one with at least a tenth of all round trips

    [[nodiscard]] bool enough_data() const { return !ranges.empty(); }
    [[nodiscard]] bool has_boot() const { return steady != 0; }
    // All that comes before the steady phase.
    [[nodiscard]] db::SnapshotRange boot_range() const { return {ranges.front().from, ranges[steady].from}; }
    [[nodiscard]] db::SnapshotRange steady_range() const { return ranges[steady]; }
};

// Change points of the rates by field: the partition of least deviance (Poisson, with the dispersion that
// neighbouring steps show) plus a price for each change point that chance alone does not pay. Changes of less
// than a tenth of all accesses per round trip are no change. The steps follow each other.
[[nodiscard]] Phases find_phases(std::span<const db::Step> steps);

} // namespace shadowtune::tuner
