#include "tuner/decision.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace shadowtune::tuner {

namespace {

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

    [[nodiscard]] Choice cheapest_at(double read_rate, double write_rate, const FieldCosts& costs) const {
        FieldUse at_rates{use};
        at_rates.reads = read_rate;
        at_rates.writes = write_rate;
        return cheapest(at_rates, costs, may_write);
    }
    [[nodiscard]] Choice estimated(const FieldCosts& costs) const {
        return cheapest_at(reads.estimate, writes.estimate, costs);
    }
    // At the corners: every gain goes one way with each rate, so they speak for all rates between them.
    [[nodiscard]] std::array<Choice, 4> choices(double narrowing, const FieldCosts& costs) const {
        const auto edge{[narrowing](const RateInterval& rate, bool high) {
            return rate.estimate + narrowing * ((high ? rate.high : rate.low) - rate.estimate);
        }};
        std::array<Choice, 4> found{};
        for (std::size_t corner{0}; corner < found.size(); ++corner)
            found[corner] = cheapest_at(edge(reads, corner / 2 != 0), edge(writes, corner % 2 != 0), costs);
        return found;
    }
    [[nodiscard]] std::optional<Choice> choice(double narrowing, const FieldCosts& costs) const {
        const auto found{choices(narrowing, costs)};
        if (std::ranges::count(found, found[0]) != std::ssize(found)) return {};
        return found[0];
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

[[nodiscard]] Undecided undecided_of(vmcs::FieldIndex index, const Field& field, const FieldCosts& costs,
                                     std::uint64_t round_trips) {
    Undecided undecided{index, field.reads, field.writes, field.estimated(costs), {}, {}};
    undecided.possible[static_cast<std::size_t>(undecided.estimated)] = true;
    for (const Choice choice : field.choices(1, costs))
        undecided.possible[static_cast<std::size_t>(choice)] = true;
    // Intervals narrow with the root of the sampled round trips.
    if (const double narrowing{narrowing_needed(field, costs)}; narrowing > 0) {
        const double factor{1 / (narrowing * narrowing) - 1};
        undecided.more_round_trips =
            static_cast<std::uint64_t>(std::ceil(factor * static_cast<double>(round_trips)));
    }
    return undecided;
}

// What is more than it shall get gains nothing.
void limit(FieldGain& gain, Choice choice) {
    if (choice == Choice::none) gain.read = 0;
    if (choice != Choice::read_write) gain.write = 0;
}

[[nodiscard]] bool fits(const vmcs::ShadowSets& sets, const CostTable& costs, const Budget& budget) {
    return sets.hot_set().count() <= budget.fields.value_or(vmcs::field_count) &&
           (!budget.sync || sync_cost(sets, costs) <= *budget.sync);
}

} // namespace

Choice choice_in(const vmcs::ShadowSets& sets, vmcs::FieldIndex field) {
    if (sets.write.test(field)) return Choice::read_write;
    return sets.read.test(field) ? Choice::read : Choice::none;
}

void choose(vmcs::ShadowSets& sets, vmcs::FieldIndex field, Choice choice) {
    if (choice != Choice::none) sets.read.set(field);
    if (choice == Choice::read_write) sets.write.set(field);
}

std::optional<Choice> decided_choice(const RateInterval& reads, const RateInterval& writes,
                                     const FieldCosts& costs, bool may_write, const FieldUse& use) {
    return Field{reads, writes, may_write, use}.choice(1, costs);
}

Choice Undecided::settled(const std::optional<vmcs::ShadowSets>& in_force) const {
    if (!in_force) return estimated;
    const Choice kept{choice_in(*in_force, field)};
    return possible[static_cast<std::size_t>(kept)] ? kept : estimated;
}

Decision decide(const Evidence& evidence, const CostTable& costs, const vmcs::ProfileTarget& target) {
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};
    Decision decision{};
    allowed.read.for_each([&](vmcs::FieldIndex index) {
        const Field field{evidence.reads[index], evidence.writes[index], allowed.write.test(index),
                          use_of(index, evidence)};
        if (const auto choice{field.choice(1, costs.fields[index])}) {
            choose(decision.sets, index, *choice);
        } else {
            decision.undecided.push_back(
                undecided_of(index, field, costs.fields[index], evidence.round_trips));
        }
    });
    return decision;
}

vmcs::ShadowSets sets_of(const Decision& decision, const Evidence& evidence, const CostTable& costs,
                         const vmcs::ProfileTarget& target, const Budget& budget,
                         const std::optional<vmcs::ShadowSets>& in_force) {
    if (evidence.round_trips == 0) return {};
    Gains gains{gains_of(estimated_workload(evidence), costs)};
    for (const Undecided& undecided : decision.undecided)
        limit(gains.fields[undecided.field], undecided.settled(in_force));
    vmcs::ShadowSets sets{best_sets(gains, costs, target, budget)};
    if (!in_force || sets.hot_set().empty()) return sets;
    std::vector<Undecided> kept{decision.undecided};
    std::ranges::stable_sort(kept, std::ranges::greater{}, [&](const Undecided& undecided) {
        const FieldGain& gain{gains.fields[undecided.field]};
        return gain.read + gain.write;
    });
    for (const Undecided& undecided : kept) {
        const Choice wanted{undecided.settled(in_force)};
        for (const Choice choice : {Choice::read_write, Choice::read}) {
            if (choice > wanted || choice <= choice_in(sets, undecided.field)) continue;
            vmcs::ShadowSets with{sets};
            choose(with, undecided.field, choice);
            if (fits(with, costs, budget)) sets = with;
        }
    }
    return sets;
}

} // namespace shadowtune::tuner
