#include "tuner/phases.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace shadowtune::tuner {

namespace {

constexpr std::size_t shortest_phase{2}; // steps
constexpr double smallest_change{0.1};   // of the accesses per round trip
constexpr double smallest_steady{0.1};   // of the round trips

// Sums of the counts up to each step, of the counters that count at all.
class Sums {
public:
    explicit Sums(std::span<const db::Step> steps) {
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            add_counter(steps, [i](const db::Step& step) { return step.reads[i]; });
            add_counter(steps, [i](const db::Step& step) { return step.writes[i]; });
        }
        m_round_trips = running(steps, [](const db::Step& step) { return step.round_trips; });
    }

    [[nodiscard]] std::size_t counters() const { return m_counts.size(); }
    [[nodiscard]] double round_trips(std::size_t from, std::size_t to) const {
        return m_round_trips[to] - m_round_trips[from];
    }
    [[nodiscard]] double rate(std::size_t counter, std::size_t from, std::size_t to) const {
        return (m_counts[counter][to] - m_counts[counter][from]) / round_trips(from, to);
    }
    // Minus the log likelihood of the steps as one phase, but for what no partition changes.
    [[nodiscard]] double deviance(std::size_t from, std::size_t to) const {
        double sum{0};
        for (const auto& counts : m_counts) {
            const double count{counts[to] - counts[from]};
            if (count > 0) sum -= count * std::log(count / round_trips(from, to));
        }
        return sum;
    }
    // Twice the log of the likelihood ratio: these two as two phases, or as one.
    [[nodiscard]] double difference(std::size_t from, std::size_t middle, std::size_t to) const {
        return 2 * (deviance(from, to) - deviance(from, middle) - deviance(middle, to));
    }

private:
    template <typename Count>
    [[nodiscard]] static std::vector<double> running(std::span<const db::Step> steps, Count count) {
        std::vector<double> sums{0};
        for (const db::Step& step : steps)
            sums.push_back(sums.back() + static_cast<double>(count(step)));
        return sums;
    }
    template <typename Count>
    void add_counter(std::span<const db::Step> steps, Count count) {
        auto sums{running(steps, count)};
        if (sums.back() > 0) m_counts.push_back(std::move(sums));
    }

    std::vector<std::vector<double>> m_counts;
    std::vector<double> m_round_trips;
};

// Real workloads are more uneven than Poisson's; neighbours tell by how much, and few of them lie across a
// change point, which the median does not see.
[[nodiscard]] double dispersion(const Sums& sums, std::size_t steps) {
    const auto counters{static_cast<double>(sums.counters())};
    std::vector<double> ratios{};
    for (std::size_t i{0}; i + 2 <= steps; ++i)
        ratios.push_back(sums.difference(i, i + 1, i + 2) / counters);
    std::ranges::nth_element(ratios, ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2));
    // The median of a chi-squared variable over its mean, by Wilson and Hilferty.
    const double median{std::pow(1 - 2 / (9 * counters), 3)};
    return std::max(1.0, ratios[ratios.size() / 2] / median);
}

// Where phases begin, by dynamic programming over all partitions.
[[nodiscard]] std::vector<std::size_t> least_deviance(const Sums& sums, std::size_t steps) {
    const auto counters{static_cast<double>(sums.counters())};
    // What a chi-squared variable exceeds with a probability below 1 in steps^3 (Laurent and Massart).
    const double surprise{3 * std::log(static_cast<double>(steps))};
    const double price{dispersion(sums, steps) *
                       (counters + 2 * std::sqrt(counters * surprise) + 2 * surprise)};
    std::vector<double> best(steps + 1, std::numeric_limits<double>::infinity());
    std::vector<std::size_t> begin(steps + 1, 0);
    best[0] = 0;
    for (std::size_t to{shortest_phase}; to <= steps; ++to) {
        for (std::size_t from{0}; from + shortest_phase <= to; ++from) {
            const double total{best[from] + 2 * sums.deviance(from, to) + (from == 0 ? 0 : price)};
            if (total >= best[to]) continue;
            best[to] = total;
            begin[to] = from;
        }
    }
    std::vector<std::size_t> starts{};
    for (std::size_t to{steps}; to != 0; to = begin[to])
        starts.insert(starts.begin(), begin[to]);
    return starts;
}

[[nodiscard]] bool matters(const Sums& sums, std::size_t from, std::size_t middle, std::size_t to) {
    double change{0};
    double level{0};
    for (std::size_t i{0}; i < sums.counters(); ++i) {
        change += std::abs(sums.rate(i, from, middle) - sums.rate(i, middle, to));
        level += sums.rate(i, from, to);
    }
    return change >= smallest_change * level;
}

} // namespace

Phases find_phases(std::span<const db::Step> all) {
    // A pause says nothing of rates; it joins what comes after it.
    std::vector<db::Step> steps{};
    std::uint32_t from{all.empty() ? 0 : all.front().range.from};
    for (const db::Step& step : all) {
        if (step.round_trips == 0) continue;
        steps.push_back(step);
        steps.back().range.from = std::exchange(from, step.range.to);
    }
    const Sums sums{steps};
    if (steps.size() < fewest_steps || sums.counters() == 0) return {};
    std::vector<std::size_t> starts{0};
    const auto found{least_deviance(sums, steps.size())};
    for (std::size_t i{1}; i < found.size(); ++i) {
        const std::size_t end{i + 1 < found.size() ? found[i + 1] : steps.size()};
        if (matters(sums, starts.back(), found[i], end)) starts.push_back(found[i]);
    }
    Phases phases{};
    const double enough{smallest_steady * sums.round_trips(0, steps.size())};
    for (std::size_t i{0}; i < starts.size(); ++i) {
        const std::size_t end{i + 1 < starts.size() ? starts[i + 1] : steps.size()};
        phases.ranges.push_back({steps[starts[i]].range.from, steps[end - 1].range.to});
        if (sums.round_trips(starts[i], end) >= enough) phases.steady = i;
    }
    phases.ranges.back().to = all.back().range.to;
    return phases;
}

} // namespace shadowtune::tuner
