#include "tuner/evidence.hpp"

#include <algorithm>
#include <cmath>

namespace shadowtune::tuner {

Evidence evidence_of(const db::Totals& totals, const vmcs::ShadowSets& shadowed, double confidence) {
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
    const auto rate = [&](std::uint64_t trapped, const SampledCount& count, bool unseen) -> RateInterval {
        if (unseen || evidence.round_trips == 0) return rate_interval(count, sampled, confidence);
        const double exact{static_cast<double>(trapped + count.sum) /
                           static_cast<double>(evidence.round_trips)};
        return {exact, exact, exact};
    };
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        evidence.reads[field] = rate(reads[field], sampled.reads[field], shadowed.read.test(field));
        evidence.writes[field] = rate(writes[field], sampled.writes[field], shadowed.write.test(field));
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

FieldUse use_of(vmcs::FieldIndex field, const Evidence& evidence) {
    FieldUse use{};
    use.changes = evidence.changes[field];
    use.others = evidence.others[field];
    use.switches = evidence.switches;
    use.switched_round_trips = evidence.switched_round_trips;
    return use;
}

Workload estimated_workload(const Evidence& evidence) {
    Workload workload{};
    workload.round_trips = evidence.round_trips;
    const auto trips{static_cast<double>(evidence.round_trips)};
    const auto count{[trips](double rate) { return static_cast<std::uint64_t>(std::llround(rate * trips)); }};
    workload.switches = count(evidence.switches);
    workload.switched_round_trips = count(evidence.switched_round_trips);
    for (std::size_t field{0}; field < vmcs::field_count; ++field) {
        const std::uint64_t reads{count(evidence.reads[field].estimate)};
        const std::uint64_t writes{count(evidence.writes[field].estimate)};
        FieldAccesses& of{workload.fields[field]};
        of = {reads, writes, reads, writes};
        of.changes = count(evidence.changes[field]);
        of.others = count(evidence.others[field]);
    }
    return workload;
}

void add_bounds(std::map<vmcs::FieldIndex, MeasuredRate>& rates, const Evidence& evidence) {
    for (auto& [field, rate] : rates) {
        rate.read_bounds = RateBounds{evidence.reads[field].low, evidence.reads[field].high};
        rate.write_bounds = RateBounds{evidence.writes[field].low, evidence.writes[field].high};
    }
}

} // namespace shadowtune::tuner
