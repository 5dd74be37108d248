#include "tuner/optimizer.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace shadowtune::tuner {

namespace {

struct Candidate {
    vmcs::FieldIndex field{vmcs::no_field};
    bool write{false}; // W as well as R
    double gain{0};    // over leaving the field trapped, fixed term apart
};

// The better of R and RW for one field. Shadowing takes the trapped accesses away and adds a copy per round
// trip.
[[nodiscard]] Candidate best_choice(vmcs::FieldIndex index, const Workload& workload, const CostTable& costs,
                                    bool may_write) {
    const FieldAccesses& field{workload.fields[index]};
    const auto trips{static_cast<double>(workload.round_trips)};
    const double read_gain{static_cast<double>(field.reads) * costs.trap_read - trips * costs.sync_read};
    const double write_gain{static_cast<double>(field.writes) * costs.trap_write - trips * costs.sync_write};
    // W needs R (vmcs::ProfileRule::write_without_read), so a write's gain may have to pay for a useless read
    // copy.
    if (may_write && write_gain > 0) return {index, true, read_gain + write_gain};
    return {index, false, read_gain};
}

} // namespace

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

vmcs::ShadowSets optimize(const Workload& workload, const CostTable& costs, const vmcs::ProfileTarget& target,
                          std::size_t budget) {
    if (workload.round_trips == 0) return {};
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};
    std::vector<Candidate> candidates{};
    allowed.read.for_each([&](vmcs::FieldIndex index) {
        const Candidate candidate{best_choice(index, workload, costs, allowed.write.test(index))};
        if (candidate.gain > 0) candidates.push_back(candidate);
    });
    // Each field takes one unit of the budget whatever is chosen for it, so the largest gains are the best
    // subset.
    std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::gain);
    if (candidates.size() > budget) candidates.resize(budget);

    vmcs::ShadowSets sets{};
    double gain{0};
    for (const Candidate& candidate : candidates) {
        sets.read.set(candidate.field);
        if (candidate.write) sets.write.set(candidate.field);
        gain += candidate.gain;
    }
    // A shadow that does not earn its own upkeep is not used at all.
    if (gain <= static_cast<double>(workload.round_trips) * costs.fixed) return {};
    return sets;
}

} // namespace shadowtune::tuner
