#pragma once

// What rates that are known to lie in intervals say about the sets: a field has a choice where it is the
// cheapest whatever the rates, and else is undecided.

#include "tuner/evidence.hpp"

#include <array>
#include <optional>
#include <vector>

namespace shadowtune::tuner {

// From what costs nothing to what covers most.
enum class Choice : std::uint8_t { none, read, read_write };

[[nodiscard]] Choice choice_in(const vmcs::ShadowSets& sets, vmcs::FieldIndex field);
// The sets do not have the field yet.
void choose(vmcs::ShadowSets& sets, vmcs::FieldIndex field, Choice choice);

// The best for a field whose rates are known to lie in these intervals; none where that depends on the
// rates. `use`: the rest, per round trip.
[[nodiscard]] std::optional<Choice> decided_choice(const RateInterval& reads, const RateInterval& writes,
                                                   const FieldCosts& costs, bool may_write,
                                                   const FieldUse& use = {});

struct Undecided {
    vmcs::FieldIndex field{vmcs::no_field};
    RateInterval reads;
    RateInterval writes;
    Choice estimated{Choice::none}; // the cheapest at the estimates
    std::array<bool, 3> possible{}; // by Choice: some rates within the intervals make it the cheapest
    // About so many round trips more, sampled at the same rate, decide; none: not within a million times what
    // was sampled, since the rate is where both choices cost the same.
    std::optional<std::uint64_t> more_round_trips;

    // What it gets: the choice in force, where that may be the cheapest; else, or where nobody knows what was
    // in force, the one that is cheapest at the estimates.
    [[nodiscard]] Choice settled(const std::optional<vmcs::ShadowSets>& in_force) const;
};

struct Decision {
    vmcs::ShadowSets sets; // of the decided fields alone
    std::vector<Undecided> undecided;
};

// For each field the choice (none, R, R and W) that is the cheapest at every pair of rates within its
// intervals, where there is one. The fixed term is left to the caller: it is no field's.
[[nodiscard]] Decision decide(const Evidence& evidence, const CostTable& costs,
                              const vmcs::ProfileTarget& target);

// The sets of the largest gain at the estimates within the budget, in which a decided field has its choice or
// less, and an undecided one what it is settled with, or less. What is in force is kept, where the budget has
// room, though it gains nothing at the estimates. Empty where the shadow does not earn its own upkeep.
[[nodiscard]] vmcs::ShadowSets sets_of(const Decision& decision, const Evidence& evidence,
                                       const CostTable& costs, const vmcs::ProfileTarget& target,
                                       const Budget& budget, const std::optional<vmcs::ShadowSets>& in_force);

} // namespace shadowtune::tuner
