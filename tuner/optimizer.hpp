#pragma once

// The cheapest sets for a workload. The cost is a sum over fields plus one fixed term for having a shadow at
// all, so the best choice per field (none, R, or R and W) is the best choice altogether: exact, and O(fields
// log fields). A limit on the work of copying makes it a knapsack, solved exactly too.

#include "tuner/costs.hpp"
#include "tuner/workload.hpp"
#include "vmcs/profile.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

namespace shadowtune::tuner {

// Both limits hold where both are given.
struct Budget {
    std::optional<std::size_t> fields; // at most so many in the hot set
    std::optional<double> sync;        // at most so much sync_cost per round trip, in the cost table's unit
};

// What shadowing gains over leaving the field trapped: the trapped accesses saved, less the copies.
struct FieldGain {
    double read{0};  // R instead of nothing
    double write{0}; // W on top of R
};

struct Gains {
    std::array<FieldGain, vmcs::field_count> fields{};
    double fixed{0}; // what having a shadow at all takes of them
};

// Of one field over so many round trips. Rates may be given instead of counts, with one round trip.
struct FieldUse {
    double reads{0};
    double writes{0};
    double changes{0};
    double round_trips{1};
    double reads_to_memory{0};    // of the reads
    double writes_from_memory{0}; // of the writes
    double walk_entries{0};       // as in Workload
    double switches{0};
    double others{0};
    double switched_round_trips{0};
};
// What its reads cost, and its writes, trapped or shadowed. Each VMWRITE counts as one of a new value.
[[nodiscard]] double read_cost(const FieldUse& use, const FieldCosts& costs, bool shadowed);
[[nodiscard]] double write_cost(const FieldUse& use, const FieldCosts& costs, bool shadowed,
                                bool read_shadowed);
[[nodiscard]] FieldGain gain_of(const FieldUse& use, const FieldCosts& costs);

// What having a shadow at all costs over so many round trips and switches.
[[nodiscard]] double fixed_cost(double round_trips, double switches, const CostTable& costs);

// Over the whole workload, so that whole counts and costs give whole numbers.
[[nodiscard]] Gains gains_of(const Workload& workload, const CostTable& costs);

// The cost of these sets over the whole workload, in the table's unit: accesses left trapped, fields synced
// at each round trip and at each switch, and the fixed terms where any field is shadowed. Any sets may be
// priced, valid or not.
[[nodiscard]] double cost(const vmcs::ShadowSets& sets, const Workload& workload, const CostTable& costs);

// What L0 spends on these sets at each round trip whatever L1 does: the copies and the fixed term, without
// those of switches.
[[nodiscard]] double sync_cost(const vmcs::ShadowSets& sets, const CostTable& costs);

// The sets of the largest gain, less the fixed term, among all that vmcs::validate accepts for `target` and
// that keep the budget. Among equal ones the smaller hot set, then the earlier field in the catalogue; under
// a limit on sync the one that syncs least.
[[nodiscard]] vmcs::ShadowSets best_sets(const Gains& gains, const CostTable& costs,
                                         const vmcs::ProfileTarget& target, const Budget& budget = {});

// The same for one workload: the sets of least cost. A workload without round trips gives empty sets: there
// is no rate to go by.
[[nodiscard]] vmcs::ShadowSets optimize(const Workload& workload, const CostTable& costs,
                                        const vmcs::ProfileTarget& target, const Budget& budget = {});

// All compromises between cost and size of the hot set: for each size the cheapest sets of at most that size,
// less those that no further field makes cheaper. From the empty sets to the optimum; each point costs less
// than the one before, and has all of its fields.
[[nodiscard]] std::vector<vmcs::ShadowSets> pareto_front(const Gains& gains,
                                                         const vmcs::ProfileTarget& target);

} // namespace shadowtune::tuner
