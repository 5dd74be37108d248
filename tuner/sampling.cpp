#include "tuner/sampling.hpp"

#include "tuner/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace shadowtune::tuner {

namespace {

// Sums of a variable that is not negative over the sampled round trips.
struct Moments {
    double sum{0};
    double squares{0};

    // As many single events would make the mean as unsure.
    [[nodiscard]] double events() const { return squares > 0 ? sum * sum / squares : 0; }
    [[nodiscard]] double size() const { return sum > 0 ? squares / sum : 1; }
};

// Jeffreys' interval of a binomial proportion: its coverage is near the nominal one on average, and it is not
// symmetric where the proportion is small.
struct Proportion {
    double low{0};
    double high{1};
};
[[nodiscard]] Proportion jeffreys(double events, double trials, double confidence) {
    const double tail{(1 - confidence) / 2};
    return {events > 0 ? beta_quantile(events + 0.5, trials - events + 0.5, tail) : 0,
            beta_quantile(events + 0.5, trials - events + 0.5, 1 - tail)};
}

// What each of the round trips of one reason can have had.
struct Bounds {
    std::uint32_t fewest{0};
    std::uint32_t most{0};
};
[[nodiscard]] Bounds bounds_of(const db::SampledTotal& total, std::uint64_t round_trips) {
    // Cauchy and Schwarz: equal only where all had the same.
    if (total.squares * round_trips == total.count * total.count) {
        const auto each{static_cast<std::uint32_t>(total.count / round_trips)};
        return {each, each};
    }
    return {0, static_cast<std::uint32_t>(std::ceil(std::sqrt(static_cast<double>(total.squares))))};
}

} // namespace

SampledWorkload sampled_workload_of(const db::Totals& totals) {
    SampledWorkload workload{};
    workload.sampled_round_trips = totals.sampled_round_trips;
    workload.round_trips = totals.counters.round_trips;
    workload.switches = totals.switches;
    workload.switched_round_trips = totals.switched_round_trips;
    // Of each reason: what is not listed was not accessed.
    std::array<std::array<std::uint64_t, 2>, vmcs::field_count> seen{};
    for (const db::SampledTotal& total : totals.sampled) {
        const bool reads{total.access == db::Access::read};
        SampledCount& count{(reads ? workload.reads : workload.writes)[total.field]};
        const Bounds bounds{bounds_of(total, totals.sampled_round_trips_by_reason[total.reason])};
        std::uint64_t& round_trips{seen[total.field][reads ? 0 : 1]};
        count.fewest = round_trips == 0 ? bounds.fewest : std::min(count.fewest, bounds.fewest);
        count.most = std::max(count.most, bounds.most);
        count.sum += total.count;
        count.sum_squares += total.squares;
        round_trips += totals.sampled_round_trips_by_reason[total.reason];
    }
    std::array<std::uint64_t, vmcs::field_count> unsampled_reads{};
    for (const db::AccessTotal& access : totals.accesses) {
        const bool counts{access.access == db::Access::read && access.reason != vmcs::no_round_trip};
        if (counts) unsampled_reads[access.field] += access.count;
    }
    for (std::size_t field{0}; field < vmcs::field_count; ++field) {
        if (seen[field][0] < workload.sampled_round_trips) workload.reads[field].fewest = 0;
        if (seen[field][1] < workload.sampled_round_trips) workload.writes[field].fewest = 0;
        workload.others[field] = totals.changes[field].at_switch;
        const std::uint64_t reads{workload.reads[field].sum + unsampled_reads[field]};
        if (reads != 0) {
            workload.changes_per_read[field] =
                static_cast<double>(totals.changes[field].at_exit) / static_cast<double>(reads);
        }
    }
    return workload;
}

RateInterval rate_interval(const SampledCount& count, std::uint64_t sampled_round_trips,
                           std::uint64_t round_trips, double confidence) {
    if (sampled_round_trips == 0) return {0, 0, std::numeric_limits<double>::infinity()};
    const auto n{static_cast<double>(sampled_round_trips)};
    const auto sum{static_cast<double>(count.sum)};
    const auto squares{static_cast<double>(count.sum_squares)};
    const auto lowest{static_cast<double>(count.fewest)};
    const auto highest{static_cast<double>(count.most)};
    const double mean{sum / n};
    // Accesses above the fewest, and below the most: whichever is the rarer one is rare events, and their
    // distribution is the skewed one. Seen as binomial events of one size they have just the sample's
    // variance.
    const Moments above{sum - n * lowest, squares - 2 * lowest * sum + n * lowest * lowest};
    const Moments below{n * highest - sum, squares - 2 * highest * sum + n * highest * highest};
    const bool from_below{above.events() <= below.events()};
    const Moments& rare{from_below ? above : below};
    const auto [few, many]{jeffreys(rare.events(), n, confidence)};
    RateInterval interval{mean, lowest + rare.size() * few, lowest + rare.size() * many};
    if (!from_below) interval = {mean, highest - rare.size() * many, highest - rare.size() * few};
    // Nothing varied: what was not seen may be more accesses or fewer.
    if (lowest == highest) interval = {mean, std::max(mean - many, 0.0), mean + many};
    // What was sampled is known: only the rest is unsure.
    const auto all{static_cast<double>(std::max(round_trips, sampled_round_trips))};
    const double unsure{std::sqrt(1 - n / all)};
    interval.low = std::min(mean, mean - unsure * (mean - interval.low));
    interval.high = std::max(mean, mean + unsure * (interval.high - mean));
    return interval;
}

} // namespace shadowtune::tuner
