#pragma once

// What a recording in mode `sample` says: about one round trip of N, chosen pseudo-randomly, was counted.
// Accesses come in clusters, several in one round trip, so a count alone does not tell how sure it is.

#include "db/recording_reader.hpp"
#include "vmcs/catalogue.hpp"

#include <array>
#include <cstdint>

namespace shadowtune::tuner {

// Of one field and access, over the sampled round trips.
struct SampledCount {
    std::uint64_t sum{0};         // of their accesses
    std::uint64_t sum_squares{0}; // of the squares of their accesses
    // No sampled round trip had fewer, none had more, as far as is known.
    std::uint32_t fewest{0};
    std::uint32_t most{0};
};

struct SampledWorkload {
    std::array<SampledCount, vmcs::field_count> reads{};
    std::array<SampledCount, vmcs::field_count> writes{};
    std::uint64_t sampled_round_trips{0};
    std::uint64_t round_trips{0}; // all, sampled or not
    std::uint64_t switches{0};    // in all of them
    std::uint64_t switched_round_trips{0};
    std::array<std::uint64_t, vmcs::field_count> others{};
    // A field in R is read in sampled round trips alone, and so are its changes; of any other all are seen.
    std::array<double, vmcs::field_count> changes_per_read{};
};

[[nodiscard]] SampledWorkload sampled_workload_of(const db::Totals& totals);

struct RateInterval {
    double estimate{0}; // accesses per round trip
    double low{0};
    double high{0};
};

inline constexpr double usual_confidence{0.95};

// The rate of all round trips, with an interval that covers it with this probability. Without a sampled round
// trip it is anything: `high` is infinite. Deviations that were never seen are taken for single accesses.
[[nodiscard]] RateInterval rate_interval(const SampledCount& count, std::uint64_t sampled_round_trips,
                                         std::uint64_t round_trips, double confidence = usual_confidence);

// Of one of this workload's counts.
[[nodiscard]] inline RateInterval rate_interval(const SampledCount& count, const SampledWorkload& workload,
                                                double confidence = usual_confidence) {
    return rate_interval(count, workload.sampled_round_trips, workload.round_trips, confidence);
}

} // namespace shadowtune::tuner
