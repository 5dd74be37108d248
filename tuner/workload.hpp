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
};

struct Workload {
    std::array<FieldAccesses, vmcs::field_count> fields{};
    std::uint64_t round_trips{0};
};

[[nodiscard]] Workload workload_of(const db::Totals& totals);

} // namespace shadowtune::tuner
