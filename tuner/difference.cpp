#include "tuner/difference.hpp"

#include "tuner/phases.hpp"
#include "tuner/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace shadowtune::tuner {

namespace {

using Counts = std::array<std::uint64_t, vmcs::field_count> db::Step::*;

[[nodiscard]] double dispersion(std::span<const db::Step> steps, Counts counts, vmcs::FieldIndex field) {
    double sum{0};
    double round_trips{0};
    std::size_t used{0};
    for (const db::Step& step : steps) {
        if (step.round_trips == 0) continue;
        sum += static_cast<double>((step.*counts)[field]);
        round_trips += static_cast<double>(step.round_trips);
        ++used;
    }
    if (used < fewest_steps || sum == 0) return 1;
    double chi_squared{0};
    for (const db::Step& step : steps) {
        if (step.round_trips == 0) continue;
        const double expected{sum * static_cast<double>(step.round_trips) / round_trips};
        const double off{static_cast<double>((step.*counts)[field]) - expected};
        chi_squared += off * off / expected;
    }
    return std::max(1.0, chi_squared / static_cast<double>(used - 1));
}

// Holm's correction: the whole family keeps the level, whatever the tests have to do with each other.
void correct_for_number(std::vector<RateDifference>& all) {
    std::ranges::sort(all, {}, &RateDifference::p);
    double largest{0};
    for (std::size_t i{0}; i < all.size(); ++i) {
        largest = std::max(largest, std::min(1.0, all[i].p * static_cast<double>(all.size() - i)));
        all[i].p = largest;
    }
}

} // namespace

RateSample rate_sample(const Workload& workload, std::span<const db::Step> steps) {
    RateSample sample{workload, {}, {}};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        sample.read_dispersion[i] = dispersion(steps, &db::Step::reads, i);
        sample.write_dispersion[i] = dispersion(steps, &db::Step::writes, i);
    }
    return sample;
}

double equal_rates_p(double first, double first_round_trips, double second, double second_round_trips) {
    if (first + second == 0) return 1;
    // Given their sum, the first count of two Poisson variables of one rate is binomial.
    const double share{first_round_trips / (first_round_trips + second_round_trips)};
    const double at_least{first > 0 ? incomplete_beta(first, second + 1, share) : 1};
    const double at_most{second > 0 ? incomplete_beta(second, first + 1, 1 - share) : 1};
    return std::min(1.0, 2 * std::min(at_least, at_most));
}

std::vector<RateDifference> compare_rates(const RateSample& first, const RateSample& second, double level) {
    const auto first_trips{static_cast<double>(first.workload.round_trips)};
    const auto second_trips{static_cast<double>(second.workload.round_trips)};
    std::vector<RateDifference> all{};
    const auto add{[&](vmcs::FieldIndex field, db::Access access, std::uint64_t a, std::uint64_t b,
                       double dispersion) {
        if (a + b == 0) return;
        const auto first_count{static_cast<double>(a)};
        const auto second_count{static_cast<double>(b)};
        // Counts that scatter more are worth so many fewer.
        all.push_back(
            {field, access, first_count / first_trips, second_count / second_trips,
             equal_rates_p(first_count / dispersion, first_trips, second_count / dispersion, second_trips),
             false});
    }};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const FieldAccesses& a{first.workload.fields[i]};
        const FieldAccesses& b{second.workload.fields[i]};
        add(i, db::Access::read, a.reads_in_round_trips, b.reads_in_round_trips,
            std::max(first.read_dispersion[i], second.read_dispersion[i]));
        add(i, db::Access::write, a.writes_in_round_trips, b.writes_in_round_trips,
            std::max(first.write_dispersion[i], second.write_dispersion[i]));
    }
    correct_for_number(all);
    for (RateDifference& difference : all)
        difference.significant = difference.p < level;
    std::ranges::stable_sort(all, std::ranges::greater{}, [](const RateDifference& difference) {
        return std::abs(difference.second - difference.first);
    });
    return all;
}

} // namespace shadowtune::tuner
