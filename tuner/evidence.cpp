#include "tuner/evidence.hpp"

#include <algorithm>

namespace shadowtune::tuner {

Evidence evidence_of(const db::Totals& totals, const vmcs::ShadowSets& in_force, double confidence) {
    Evidence evidence{};
    evidence.round_trips = totals.counters.round_trips;
    std::array<std::uint64_t, vmcs::field_count> reads{};
    std::array<std::uint64_t, vmcs::field_count> writes{};
    for (const db::AccessTotal& access : totals.accesses) {
        if (access.reason == vmcs::no_round_trip) continue;
        (access.access == db::Access::read ? reads : writes)[access.field] += access.count;
    }
    if (evidence.round_trips != 0) {
        const auto round_trips{static_cast<double>(evidence.round_trips)};
        evidence.switches = static_cast<double>(totals.switches) / round_trips;
        evidence.switched_round_trips = static_cast<double>(totals.switched_round_trips) / round_trips;
    }
    const SampledWorkload sampled{sampled_workload_of(totals)};
    const auto rate = [&](std::uint64_t trapped, const SampledCount& count, bool shadowed) -> RateInterval {
        if (shadowed || evidence.round_trips == 0) return rate_interval(count, sampled, confidence);
        const double exact{static_cast<double>(trapped + count.sum) /
                           static_cast<double>(evidence.round_trips)};
        return {exact, exact, exact};
    };
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        evidence.reads[field] = rate(reads[field], sampled.reads[field], in_force.read.test(field));
        evidence.writes[field] = rate(writes[field], sampled.writes[field], in_force.write.test(field));
    }
    if (evidence.round_trips == 0) return evidence;
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        evidence.changes[field] =
            std::min(sampled.changes_per_read[field] * evidence.reads[field].estimate, 1.0);
        evidence.others[field] =
            static_cast<double>(sampled.others[field]) / static_cast<double>(evidence.round_trips);
    }
    // As assume_rip_changes has it.
    double& rip{evidence.changes[vmcs::index_of(vmcs::Field::guest_rip)]};
    if (rip == 0) rip = 1;
    return evidence;
}

} // namespace shadowtune::tuner
