#pragma once

// From the wire's words to the store's. The two are kept apart so that either may change without the other.

#include "db/records.hpp"
#include "link/host/session.hpp"

namespace shadowtune::profiler {

[[nodiscard]] db::Machine machine_of(const link::HelloInfo& hello);
// `labels` with what L0 says of L1 filled in; the user's own words stay.
[[nodiscard]] db::Labels labels_of(const link::HelloInfo& hello, db::Labels labels);
[[nodiscard]] db::Snapshot snapshot_of(const link::Snapshot& snapshot,
                                       const link::SessionStatistics& statistics);
[[nodiscard]] std::int64_t milliseconds_since_1970(std::chrono::system_clock::time_point time);

} // namespace shadowtune::profiler
