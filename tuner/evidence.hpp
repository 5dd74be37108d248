#pragma once

// The rates of one stretch of time, as well as they can be known under the bitmaps that were in force: a
// shadowed access is seen in sampled round trips alone, any other one always.

#include "tuner/sampling.hpp"

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

// `in_force`: empty in mode trap. Without round trips nothing is known: intervals are without end.
[[nodiscard]] Evidence evidence_of(const db::Totals& totals, const vmcs::ShadowSets& in_force,
                                   double confidence);

} // namespace shadowtune::tuner
