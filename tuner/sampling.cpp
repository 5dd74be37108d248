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

[[nodiscard]] Choice cheapest(const FieldUse& use, const FieldCosts& costs, bool may_write) {
    const auto [read_gain, write_gain]{gain_of(use, costs)};
    if (may_write && write_gain > 0 && read_gain + write_gain > 0) return Choice::read_write;
    return read_gain > 0 ? Choice::read : Choice::none;
}

// The intervals, narrowed around their estimates.
struct Field {
    RateInterval reads;
    RateInterval writes;
    bool may_write{false};
    FieldUse use{}; // the rest, per round trip

    // Every gain goes one way with each rate, so the corners speak for all rates between them.
    [[nodiscard]] std::optional<Choice> choice(double narrowing, const FieldCosts& costs) const {
        const auto edge{[narrowing](const RateInterval& rate, bool high) {
            return rate.estimate + narrowing * ((high ? rate.high : rate.low) - rate.estimate);
        }};
        const auto cheapest_at{[&](double read_rate, double write_rate) {
            FieldUse at_rates{use};
            at_rates.reads = read_rate;
            at_rates.writes = write_rate;
            return cheapest(at_rates, costs, may_write);
        }};
        const Choice first{cheapest_at(edge(reads, false), edge(writes, false))};
        for (const bool high_reads : {false, true}) {
            for (const bool high_writes : {false, true}) {
                const double read_rate{edge(reads, high_reads)};
                if (cheapest_at(read_rate, edge(writes, high_writes)) != first) return {};
            }
        }
        return first;
    }
};

// How much narrower the intervals have to be; 0 where even a thousandth does not decide.
[[nodiscard]] double narrowing_needed(const Field& field, const FieldCosts& costs) {
    double decides{1e-3};
    double does_not{1};
    if (!field.choice(decides, costs)) return 0;
    for (int i{0}; i < 40; ++i) {
        const double middle{std::sqrt(decides * does_not)};
        (field.choice(middle, costs) ? decides : does_not) = middle;
    }
    return decides;
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

Workload estimated_workload(const SampledWorkload& sampled) {
    Workload workload{};
    if (sampled.sampled_round_trips == 0) return workload;
    workload.round_trips = sampled.round_trips;
    workload.switches = sampled.switches;
    workload.switched_round_trips = sampled.switched_round_trips;
    const double scale{static_cast<double>(sampled.round_trips) /
                       static_cast<double>(sampled.sampled_round_trips)};
    const auto estimate{[scale](const SampledCount& count) {
        return static_cast<std::uint64_t>(std::llround(static_cast<double>(count.sum) * scale));
    }};
    for (std::size_t field{0}; field < vmcs::field_count; ++field) {
        const std::uint64_t reads{estimate(sampled.reads[field])};
        const std::uint64_t writes{estimate(sampled.writes[field])};
        const auto changes{static_cast<std::uint64_t>(
            std::llround(sampled.changes_per_read[field] * static_cast<double>(reads)))};
        FieldAccesses& of{workload.fields[field]};
        of = {reads, writes, reads, writes};
        of.changes = std::min(changes, workload.round_trips);
        of.others = sampled.others[field];
    }
    assume_rip_changes(workload);
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

void add_bounds(std::map<vmcs::FieldIndex, MeasuredRate>& rates, const SampledWorkload& sampled) {
    const auto bounds{[&](const SampledCount& count) {
        const RateInterval interval{rate_interval(count, sampled)};
        return RateBounds{interval.low, interval.high};
    }};
    for (auto& [field, rate] : rates) {
        rate.read_bounds = bounds(sampled.reads[field]);
        rate.write_bounds = bounds(sampled.writes[field]);
    }
}

std::optional<Choice> decided_choice(const RateInterval& reads, const RateInterval& writes,
                                     const FieldCosts& costs, bool may_write, const FieldUse& use) {
    return Field{reads, writes, may_write, use}.choice(1, costs);
}

SampledDecision decide(const SampledWorkload& workload, const CostTable& costs,
                       const vmcs::ProfileTarget& target, double confidence) {
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};
    SampledDecision decision{};
    const Workload estimated{estimated_workload(workload)};
    const auto round_trips{std::max(static_cast<double>(estimated.round_trips), 1.0)};
    allowed.read.for_each([&](vmcs::FieldIndex index) {
        FieldUse use{};
        use.changes = static_cast<double>(estimated.fields[index].changes) / round_trips;
        use.switches = static_cast<double>(estimated.switches) / round_trips;
        use.switched_round_trips = static_cast<double>(estimated.switched_round_trips) / round_trips;
        use.others = static_cast<double>(estimated.fields[index].others) / round_trips;
        const Field field{rate_interval(workload.reads[index], workload, confidence),
                          rate_interval(workload.writes[index], workload, confidence),
                          allowed.write.test(index), use};
        const FieldCosts& of{costs.fields[index]};
        if (const auto choice{field.choice(1, of)}) {
            if (*choice != Choice::none) decision.sets.read.set(index);
            if (*choice == Choice::read_write) decision.sets.write.set(index);
            return;
        }
        Undecided undecided{index, field.reads, field.writes, {}};
        // Intervals narrow with the root of the sampled round trips.
        if (const double narrowing{narrowing_needed(field, of)}; narrowing > 0) {
            const double factor{1 / (narrowing * narrowing) - 1};
            undecided.more_round_trips =
                static_cast<std::uint64_t>(std::ceil(factor * static_cast<double>(workload.round_trips)));
        }
        decision.undecided.push_back(undecided);
    });
    return decision;
}

} // namespace shadowtune::tuner
