#include "tuner/mix.hpp"

#include "tuner/static_lists.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace shadowtune::tuner {

namespace {

// What each part weighs of all. By the largest first, since the sum of finite weights may be none; by its
// power of two, which rounds nothing.
[[nodiscard]] std::vector<double> shares(std::span<const WeightedWorkload> mix) {
    int exponent{0};
    if (!mix.empty()) std::frexp(std::ranges::max(mix, {}, &WeightedWorkload::weight).weight, &exponent);
    std::vector<double> shares{};
    for (const WeightedWorkload& part : mix)
        shares.push_back(std::ldexp(part.weight, -exponent));
    const double total{std::accumulate(shares.begin(), shares.end(), 0.0)};
    for (double& share : shares)
        share /= total;
    return shares;
}

} // namespace

Gains gains_per_round_trip(const Workload& workload, const CostTable& costs) {
    Gains gains{gains_of(workload, costs)};
    const auto trips{static_cast<double>(workload.round_trips)};
    for (FieldGain& gain : gains.fields) {
        gain.read /= trips;
        gain.write /= trips;
    }
    gains.fixed /= trips;
    return gains;
}

Gains mean_gains(std::span<const WeightedWorkload> mix, const CostTable& costs) {
    Gains mean{};
    const auto share{shares(mix)};
    for (std::size_t part{0}; part < mix.size(); ++part) {
        const Gains gains{gains_per_round_trip(mix[part].workload, costs)};
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            mean.fields[i].read += gains.fields[i].read * share[part];
            mean.fields[i].write += gains.fields[i].write * share[part];
        }
        mean.fixed += gains.fixed * share[part];
    }
    return mean;
}

Effect mean_effect(const vmcs::ShadowSets& sets, std::span<const WeightedWorkload> mix,
                   const CostTable& costs) {
    static constexpr double Effect::*members[]{&Effect::trapped_reads, &Effect::trapped_writes,
                                               &Effect::trapped_outside, &Effect::cost};
    Effect mean{};
    const auto share{shares(mix)};
    for (std::size_t part{0}; part < mix.size(); ++part) {
        const Effect effect{predict(sets, mix[part].workload, costs)};
        for (const auto member : members)
            mean.*member += effect.*member * share[part];
    }
    mean.synced = static_cast<double>(sets.synced());
    return mean;
}

Comparison compare(const vmcs::ShadowSets& tuned, std::span<const WeightedWorkload> mix,
                   const CostTable& costs, const vmcs::FieldSet& offered) {
    return {mean_effect({}, mix, costs), mean_effect(full_shadow(offered), mix, costs),
            mean_effect(kvm_static_list(offered), mix, costs), mean_effect(tuned, mix, costs)};
}

std::map<vmcs::FieldIndex, MeasuredRate>
mean_rates(vmcs::FieldSet fields, std::span<const WeightedWorkload> mix, const CostTable& costs) {
    for (const WeightedWorkload& one : mix) {
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            const FieldAccesses& field{one.workload.fields[i]};
            if (field.reads_in_round_trips + field.writes_in_round_trips != 0) fields.set(i);
        }
    }
    std::map<vmcs::FieldIndex, MeasuredRate> rates{};
    const Gains gains{mean_gains(mix, costs)};
    fields.for_each([&](vmcs::FieldIndex index) { rates[index].gain = gains.fields[index]; });
    const auto share{shares(mix)};
    for (std::size_t part{0}; part < mix.size(); ++part) {
        const Workload& workload{mix[part].workload};
        const double of_each{share[part] / static_cast<double>(workload.round_trips)};
        for (auto& [index, rate] : rates) {
            rate.reads += static_cast<double>(workload.fields[index].reads_in_round_trips) * of_each;
            rate.writes += static_cast<double>(workload.fields[index].writes_in_round_trips) * of_each;
        }
    }
    return rates;
}

std::vector<double> regrets(const vmcs::ShadowSets& sets, std::span<const WeightedWorkload> mix,
                            const CostTable& costs, const vmcs::ProfileTarget& target, const Budget& budget) {
    std::vector<double> all{};
    for (const auto& [workload, weight] : mix) {
        const auto trips{static_cast<double>(workload.round_trips)};
        const vmcs::ShadowSets own{optimize(workload, costs, target, budget)};
        all.push_back((cost(sets, workload, costs) - cost(own, workload, costs)) / trips);
    }
    return all;
}

} // namespace shadowtune::tuner
