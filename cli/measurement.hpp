#pragma once

// What the bitmaps in force do, measured on the running VMM.

#include "cli/console.hpp"
#include "db/recording_reader.hpp"
#include "link/host/session.hpp"

#include <optional>

namespace shadowtune::cli {

// Per round trip.
struct Measurement {
    std::uint64_t round_trips{0}; // that it goes by
    double trapped{0};            // accesses, in round trips that were not sampled
    double copies{0};             // fields copied between vmcs12 and the shadow VMCS, both ways; L0 skips one
                                  // that would change nothing
    double ticks{0};              // L0's and L1's work
    double l0_ticks{0};           // L0's
};

// Of totals with a round trip.
[[nodiscard]] Measurement measurement_of(const db::Totals& totals);

// Between two snapshots with at least so many round trips between them. None: L1 did not make them within the
// timeout, or somebody changed the bitmaps meanwhile.
[[nodiscard]] Result<std::optional<Measurement>, CliError>
measure(link::Session& session, std::uint64_t round_trips, double timeout_s);

} // namespace shadowtune::cli
