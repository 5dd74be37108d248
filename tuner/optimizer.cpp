#include "tuner/optimizer.hpp"

#include "tuner/knapsack.hpp"

#include <algorithm>

namespace shadowtune::tuner {

namespace {

struct Candidate {
    vmcs::FieldIndex field{vmcs::no_field};
    bool write{false}; // W as well as R
    double gain{0};    // over leaving the field trapped, fixed term apart
};

void add(vmcs::ShadowSets& sets, vmcs::FieldIndex field, bool write) {
    sets.read.set(field);
    if (write) sets.write.set(field);
}

// The better of R and RW for each field that gains by either, largest gain first.
[[nodiscard]] std::vector<Candidate> candidates_of(const Gains& gains, const vmcs::ProfileTarget& target) {
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};
    std::vector<Candidate> candidates{};
    allowed.read.for_each([&](vmcs::FieldIndex index) {
        const FieldGain& gain{gains.fields[index]};
        // W needs R (vmcs::ProfileRule::write_without_read), so a write's gain may have to pay for a useless
        // read copy.
        const bool write{allowed.write.test(index) && gain.write > 0};
        const Candidate candidate{index, write, gain.read + (write ? gain.write : 0)};
        if (candidate.gain > 0) candidates.push_back(candidate);
    });
    std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::gain);
    return candidates;
}

// Each field takes one unit of a budget in fields whatever is chosen for it, so the largest gains are the
// best subset.
[[nodiscard]] vmcs::ShadowSets largest_gains(const Gains& gains, const vmcs::ProfileTarget& target,
                                             std::size_t most_fields) {
    vmcs::ShadowSets sets{};
    for (const Candidate& candidate : candidates_of(gains, target)) {
        if (most_fields-- == 0) break;
        add(sets, candidate.field, candidate.write);
    }
    return sets;
}

[[nodiscard]] vmcs::ShadowSets best_packing(const Gains& gains, const CostTable& costs,
                                            const vmcs::ProfileTarget& target, double capacity,
                                            std::size_t most_fields) {
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};
    std::vector<KnapsackItem> items{};
    std::vector<vmcs::FieldIndex> fields{};
    allowed.read.for_each([&](vmcs::FieldIndex index) {
        const FieldGain& gain{gains.fields[index]};
        KnapsackItem item{};
        // The first choice is R, but where only a write pays, for the read copy too.
        if (gain.read > 0) item.choices.push_back({costs.sync_read, gain.read});
        if (allowed.write.test(index) && gain.write > 0 && gain.read + gain.write > 0) {
            item.choices.push_back({costs.sync_read + costs.sync_write, gain.read + gain.write});
        }
        if (item.choices.empty()) return;
        items.push_back(std::move(item));
        fields.push_back(index);
    });
    const auto taken{pack(items, capacity, most_fields)};
    vmcs::ShadowSets sets{};
    for (std::size_t i{0}; i < taken.size(); ++i) {
        if (taken[i] == no_choice) continue;
        add(sets, fields[i], taken[i] == 1 || gains.fields[fields[i]].read <= 0);
    }
    return sets;
}

[[nodiscard]] double gain_of(const vmcs::ShadowSets& sets, const Gains& gains) {
    double sum{0};
    sets.read.for_each([&](vmcs::FieldIndex index) { sum += gains.fields[index].read; });
    sets.write.for_each([&](vmcs::FieldIndex index) { sum += gains.fields[index].write; });
    return sum;
}

} // namespace

Gains gains_of(const Workload& workload, const CostTable& costs) {
    const auto trips{static_cast<double>(workload.round_trips)};
    Gains gains{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const FieldAccesses& field{workload.fields[i]};
        gains.fields[i] = {
            static_cast<double>(field.reads) * costs.trap_read - trips * costs.sync_read,
            static_cast<double>(field.writes) * costs.trap_write - trips * costs.sync_write,
        };
    }
    gains.fixed = trips * costs.fixed;
    return gains;
}

double cost(const vmcs::ShadowSets& sets, const Workload& workload, const CostTable& costs) {
    const auto trips{static_cast<double>(workload.round_trips)};
    double sum{sets.hot_set().empty() ? 0.0 : trips * costs.fixed};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const FieldAccesses& field{workload.fields[i]};
        sum +=
            sets.read.test(i) ? trips * costs.sync_read : static_cast<double>(field.reads) * costs.trap_read;
        sum += sets.write.test(i) ? trips * costs.sync_write
                                  : static_cast<double>(field.writes) * costs.trap_write;
    }
    return sum;
}

double sync_cost(const vmcs::ShadowSets& sets, const CostTable& costs) {
    if (sets.hot_set().empty()) return 0;
    return costs.fixed + static_cast<double>(sets.read.count()) * costs.sync_read +
           static_cast<double>(sets.write.count()) * costs.sync_write;
}

vmcs::ShadowSets best_sets(const Gains& gains, const CostTable& costs, const vmcs::ProfileTarget& target,
                           const Budget& budget) {
    const std::size_t most_fields{budget.fields.value_or(vmcs::field_count)};
    const vmcs::ShadowSets sets{
        budget.sync ? best_packing(gains, costs, target, *budget.sync - costs.fixed, most_fields)
                    : largest_gains(gains, target, most_fields)};
    // A shadow that does not earn its own upkeep is not used at all.
    if (gain_of(sets, gains) <= gains.fixed) return {};
    return sets;
}

vmcs::ShadowSets optimize(const Workload& workload, const CostTable& costs, const vmcs::ProfileTarget& target,
                          const Budget& budget) {
    if (workload.round_trips == 0) return {};
    return best_sets(gains_of(workload, costs), costs, target, budget);
}

std::vector<vmcs::ShadowSets> pareto_front(const Gains& gains, const vmcs::ProfileTarget& target) {
    std::vector<vmcs::ShadowSets> front{{}};
    vmcs::ShadowSets sets{};
    double gain{0};
    for (const Candidate& candidate : candidates_of(gains, target)) {
        add(sets, candidate.field, candidate.write);
        gain += candidate.gain;
        // Before that the empty sets are cheaper: the shadow does not pay its fixed term yet.
        if (gain > gains.fixed) front.push_back(sets);
    }
    return front;
}

} // namespace shadowtune::tuner
