#pragma once

// What sets would do to a workload, per round trip.

#include "tuner/costs.hpp"
#include "tuner/workload.hpp"
#include "vmcs/profile.hpp"

namespace shadowtune::tuner {

struct Effect {
    double trapped_reads{0}; // in round trips, per round trip
    double trapped_writes{0};
    double trapped_outside{0}; // outside round trips (creation of a guest), per round trip
    double synced{0};          // fields copied, both ways
    double cost{0};            // in the cost table's unit

    [[nodiscard]] double trapped() const { return trapped_reads + trapped_writes; }
};

// All zero for a workload without round trips, but for `synced`.
[[nodiscard]] Effect predict(const vmcs::ShadowSets& sets, const Workload& workload, const CostTable& costs);

// Ticks of a round trip, L0's and L1's work together, under `sets`: what it took with every access trapped
// (`trapped_ticks`, measured), and what these sets change of that. `costs` must be in the unit of the ticks:
// those that were measured on the same kind of machine. What L1 does outside of round trips is in neither.
[[nodiscard]] double predict_ticks(double trapped_ticks, const vmcs::ShadowSets& sets,
                                   const Workload& workload, const CostTable& costs);

// The same workload under four kinds of shadowing.
struct Comparison {
    Effect none;     // no shadow: every access traps
    Effect full;     // everything that L1 is offered
    Effect kvm_list; // KVM's static list
    Effect tuned;    // these sets
};

[[nodiscard]] Comparison compare(const vmcs::ShadowSets& tuned, const Workload& workload,
                                 const CostTable& costs, const vmcs::FieldSet& offered);

} // namespace shadowtune::tuner
