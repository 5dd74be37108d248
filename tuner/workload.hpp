#pragma once

// What the tuner tunes for: how often an L1 accesses each field, counted in mode trap.

#include "db/recording_reader.hpp"
#include "vmcs/catalogue.hpp"

#include <array>
#include <cstdint>

namespace shadowtune::tuner {

struct FieldAccesses {
    std::uint64_t reads{0}; // all; high halves included
    std::uint64_t writes{0};
    std::uint64_t reads_in_round_trips{
        0}; // the numerators of rates: creation of a guest is not in a round trip
    std::uint64_t writes_in_round_trips{0};
    std::uint64_t reads_to_memory{0}; // of those in round trips, the operands that lie in memory
    std::uint64_t writes_from_memory{0};
    // Round trips at whose beginning the value is another than at the last one's, as far as the counts tell.
    std::uint64_t changes{0};
};

struct Workload {
    std::array<FieldAccesses, vmcs::field_count> fields{};
    std::uint64_t round_trips{0};
    // Of L1's paging structures, read for an operand in memory: L0 has to walk them.
    double walk_entries{0};
};

// Fills in `changes` from the mix of exit reasons: L2's RIP is another at each exit, the exit's description
// where the reason is another than before (as likely as in any two round trips), all else where L1 writes it,
// which a copy back knows already.
void estimate_changes(Workload& workload,
                      const std::array<std::uint64_t, vmcs::reason_slots>& round_trips_by_reason);

[[nodiscard]] Workload workload_of(const db::Totals& totals);

} // namespace shadowtune::tuner
