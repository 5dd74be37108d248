#pragma once

// The rates of one stretch of time, as well as they can be known under the bitmaps that were in force: a
// shadowed access is seen in sampled round trips alone, any other one always.

#include "tuner/optimizer.hpp"
#include "tuner/profile_file.hpp"
#include "tuner/sampling.hpp"

#include <map>

namespace shadowtune::tuner {

struct Evidence {
    std::uint64_t round_trips{0};
    std::array<RateInterval, vmcs::field_count> reads{};
    std::array<RateInterval, vmcs::field_count> writes{};
    // Per round trip: how often L1 finds another value, and how often it turns to a VMCS with another one.
    std::array<double, vmcs::field_count> changes{};
    std::array<double, vmcs::field_count> others{};
    double switches{0};             // per round trip
    double switched_round_trips{0}; // likewise: 1 at most
};

// `shadowed`: by any of the bitmaps that were in force; empty in mode trap. What these do not have is counted
// in every round trip, and its rate exact. Without round trips nothing is known: intervals are without end.
[[nodiscard]] Evidence evidence_of(const db::Totals& totals, const vmcs::ShadowSets& shadowed,
                                   double confidence = usual_confidence);

// Of one field per round trip, without its reads and writes.
[[nodiscard]] FieldUse use_of(vmcs::FieldIndex field, const Evidence& evidence);

// All round trips by the estimates. What L1 accesses outside of round trips is not in it.
[[nodiscard]] Workload estimated_workload(const Evidence& evidence);

// The intervals of these fields; both ends are the rate where that is exact.
void add_bounds(std::map<vmcs::FieldIndex, MeasuredRate>& rates, const Evidence& evidence);

} // namespace shadowtune::tuner
