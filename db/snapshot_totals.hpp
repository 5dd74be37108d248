#pragma once

// What happened between two snapshots that are at hand, without a file.

#include "db/recording_reader.hpp"

namespace shadowtune::db {

// All vCPUs together. Both of one boot, `earlier` not after `later`: counts never go back. A vCPU that
// `earlier` lacks began at zero. `range` and `link` stay empty, `vcpu` is none.
[[nodiscard]] Totals totals_between(const Snapshot& earlier, const Snapshot& later);

// Of all vCPUs, since power-on.
[[nodiscard]] std::uint64_t round_trips_of(const Snapshot& snapshot);

// One more access of round trips that were not sampled, or of none, to its list and to all sums.
void add_access(Totals& totals, const AccessTotal& access);

// So many changes more in round trips; `field` is looked at where they are of a field.
void add_change(Totals& totals, Change change, vmcs::FieldIndex field, std::uint64_t count);

} // namespace shadowtune::db
