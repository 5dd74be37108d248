#pragma once

// What a recording in mode `sample` says: about one round trip of N, chosen pseudo-randomly, was counted.
// Accesses come in clusters, several in one round trip, so a count alone does not tell how sure it is.

#include "db/recording_reader.hpp"
#include "tuner/optimizer.hpp"
#include "tuner/profile_file.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

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

// All round trips as the sample estimates them. What L1 accesses outside of round trips is not in it.
[[nodiscard]] Workload estimated_workload(const SampledWorkload& sampled);

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

// Of fields whose rates came from this sample.
void add_bounds(std::map<vmcs::FieldIndex, MeasuredRate>& rates, const SampledWorkload& sampled);

// The best for a field whose rates are known to lie in these intervals; none where that depends on the
// rates. `use`: the rest, per round trip. From what costs nothing to what covers most.
enum class Choice : std::uint8_t { none, read, read_write };
[[nodiscard]] std::optional<Choice> decided_choice(const RateInterval& reads, const RateInterval& writes,
                                                   const FieldCosts& costs, bool may_write,
                                                   const FieldUse& use = {});

struct Undecided {
    vmcs::FieldIndex field{vmcs::no_field};
    RateInterval reads;
    RateInterval writes;
    // About so many round trips more, sampled at the same rate, decide; none: not within a million times what
    // was sampled, since the rate is where both choices cost the same.
    std::optional<std::uint64_t> more_round_trips;
};

struct SampledDecision {
    vmcs::ShadowSets sets; // of the decided fields alone
    std::vector<Undecided> undecided;
};

// For each field the choice (none, R, R and W) that is the cheapest at every pair of rates within its
// intervals, where there is one. The fixed term is left to the caller: it is no field's.
[[nodiscard]] SampledDecision decide(const SampledWorkload& workload, const CostTable& costs,
                                     const vmcs::ProfileTarget& target, double confidence = usual_confidence);

} // namespace shadowtune::tuner
