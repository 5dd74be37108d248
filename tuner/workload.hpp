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
    // Round trips at whose beginning L1 finds another value than before; 0 for what it does not read.
    std::uint64_t changes{0};
    // Switches (see below) to a VMCS in which it has another value.
    std::uint64_t others{0};
};

struct Workload {
    std::array<FieldAccesses, vmcs::field_count> fields{};
    std::uint64_t round_trips{0};
    std::uint64_t switches{0};             // VMPTRLDs in round trips that make another VMCS current
    std::uint64_t switched_round_trips{0}; // round trips that have one
    // Of L1's paging structures, read for an operand in memory: L0 has to walk them.
    double walk_entries{0};
};

// L2's RIP is another at each exit, even where that was not counted: L1 does not read it, or the recording is
// an old one.
void assume_rip_changes(Workload& workload);

[[nodiscard]] Workload workload_of(const db::Totals& totals);

} // namespace shadowtune::tuner
