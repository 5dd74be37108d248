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
        const FieldCosts& of{costs.fields[index]};
        KnapsackItem item{};
        // The first choice is R, but where only a write pays, for the read copy too.
        if (gain.read > 0) item.choices.push_back({of.sync_read, gain.read});
        if (allowed.write.test(index) && gain.write > 0 && gain.read + gain.write > 0) {
            item.choices.push_back({of.sync_read + of.sync_write, gain.read + gain.write});
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

[[nodiscard]] FieldUse use_of(vmcs::FieldIndex index, const Workload& workload) {
    const FieldAccesses& field{workload.fields[index]};
    return {static_cast<double>(field.reads),
            static_cast<double>(field.writes),
            static_cast<double>(field.changes),
            static_cast<double>(workload.round_trips),
            static_cast<double>(field.reads_to_memory),
            static_cast<double>(field.writes_from_memory),
            workload.walk_entries,
            static_cast<double>(workload.switches),
            static_cast<double>(field.others),
            static_cast<double>(workload.switched_round_trips)};
}

[[nodiscard]] double fixed_cost_of(const Workload& workload, const CostTable& costs) {
    return fixed_cost(static_cast<double>(workload.round_trips), static_cast<double>(workload.switches),
                      costs);
}

[[nodiscard]] double gain_of(const vmcs::ShadowSets& sets, const Gains& gains) {
    double sum{0};
    sets.read.for_each([&](vmcs::FieldIndex index) { sum += gains.fields[index].read; });
    sets.write.for_each([&](vmcs::FieldIndex index) { sum += gains.fields[index].write; });
    return sum;
}

} // namespace

double read_cost(const FieldUse& use, const FieldCosts& costs, bool shadowed) {
    if (shadowed) {
        return use.round_trips * costs.sync_read + use.changes * costs.sync_read_changed +
               use.switches * costs.switch_read + use.others * costs.switch_read_changed;
    }
    return use.reads * costs.trap_read +
           use.reads_to_memory * (costs.memory_read + use.walk_entries * costs.walk_entry) +
           std::min(use.reads, use.round_trips) * costs.fetch +
           std::max(use.switched_round_trips - use.reads, 0.0) * costs.switch_fetch;
}

double write_cost(const FieldUse& use, const FieldCosts& costs, bool shadowed, bool read_shadowed) {
    if (shadowed) {
        return use.round_trips * costs.sync_write + use.switches * costs.switch_write +
               std::min(use.writes, use.round_trips) * costs.sync_write_changed;
    }
    return use.writes * (costs.trap_write + (read_shadowed ? costs.update : 0)) +
           use.writes_from_memory * (costs.memory_write + use.walk_entries * costs.walk_entry);
}

FieldGain gain_of(const FieldUse& use, const FieldCosts& costs) {
    const double trapped_write{write_cost(use, costs, false, true)};
    return {read_cost(use, costs, false) + write_cost(use, costs, false, false) -
                read_cost(use, costs, true) - trapped_write,
            trapped_write - write_cost(use, costs, true, true)};
}

double fixed_cost(double round_trips, double switches, const CostTable& costs) {
    return round_trips * costs.fixed + switches * costs.switch_shadow;
}

Gains gains_of(const Workload& workload, const CostTable& costs) {
    Gains gains{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        gains.fields[i] = gain_of(use_of(i, workload), costs.fields[i]);
    gains.fixed = fixed_cost_of(workload, costs);
    return gains;
}

double cost(const vmcs::ShadowSets& sets, const Workload& workload, const CostTable& costs) {
    double sum{sets.hot_set().empty() ? 0.0 : fixed_cost_of(workload, costs)};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const FieldUse use{use_of(i, workload)};
        const bool read{sets.read.test(i)};
        sum += read_cost(use, costs.fields[i], read) +
               write_cost(use, costs.fields[i], sets.write.test(i), read);
    }
    return sum;
}

double sync_cost(const vmcs::ShadowSets& sets, const CostTable& costs) {
    if (sets.hot_set().empty()) return 0;
    double sum{costs.fixed};
    sets.read.for_each([&](vmcs::FieldIndex i) { sum += costs.fields[i].sync_read; });
    sets.write.for_each([&](vmcs::FieldIndex i) { sum += costs.fields[i].sync_write; });
    return sum;
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
