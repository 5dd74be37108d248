#include "tuner/prediction.hpp"

#include "tuner/optimizer.hpp"
#include "tuner/static_lists.hpp"

namespace shadowtune::tuner {

Effect predict(const vmcs::ShadowSets& sets, const Workload& workload, const CostTable& costs) {
    Effect effect{};
    effect.synced = static_cast<double>(sets.synced());
    if (workload.round_trips == 0) return effect;
    std::uint64_t reads{0};
    std::uint64_t writes{0};
    std::uint64_t outside{0};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const FieldAccesses& field{workload.fields[i]};
        if (!sets.read.test(i)) {
            reads += field.reads_in_round_trips;
            outside += field.reads - field.reads_in_round_trips;
        }
        if (!sets.write.test(i)) {
            writes += field.writes_in_round_trips;
            outside += field.writes - field.writes_in_round_trips;
        }
    }
    const auto trips{static_cast<double>(workload.round_trips)};
    effect.trapped_reads = static_cast<double>(reads) / trips;
    effect.trapped_writes = static_cast<double>(writes) / trips;
    effect.trapped_outside = static_cast<double>(outside) / trips;
    effect.cost = cost(sets, workload, costs) / trips;
    return effect;
}

double predict_ticks(double trapped_ticks, const vmcs::ShadowSets& sets, const Workload& workload,
                     const CostTable& costs) {
    if (workload.round_trips == 0) return trapped_ticks;
    Workload inside{workload};
    for (FieldAccesses& field : inside.fields) {
        field.reads = field.reads_in_round_trips;
        field.writes = field.writes_in_round_trips;
    }
    return trapped_ticks +
           (cost(sets, inside, costs) - cost({}, inside, costs)) / static_cast<double>(inside.round_trips);
}

Comparison compare(const vmcs::ShadowSets& tuned, const Workload& workload, const CostTable& costs,
                   const vmcs::FieldSet& offered) {
    return {predict({}, workload, costs), predict(full_shadow(offered), workload, costs),
            predict(kvm_static_list(offered), workload, costs), predict(tuned, workload, costs)};
}

} // namespace shadowtune::tuner
