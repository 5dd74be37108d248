#include "tuner/workload.hpp"

#include <algorithm>
#include <cmath>

namespace shadowtune::tuner {

void estimate_changes(Workload& workload,
                      const std::array<std::uint64_t, vmcs::reason_slots>& round_trips_by_reason) {
    const auto all{static_cast<double>(workload.round_trips)};
    double same{0}; // round trips that follow one of the same reason
    for (const std::uint64_t trips : round_trips_by_reason)
        same += workload.round_trips == 0 ? 0 : static_cast<double>(trips) * static_cast<double>(trips) / all;
    const auto other{static_cast<std::uint64_t>(std::llround(std::max(all - same, 0.0)))};
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        if (vmcs::catalogue[i].type == vmcs::Type::read_only_data) workload.fields[i].changes = other;
    }
    workload.fields[vmcs::index_of(vmcs::Field::guest_rip)].changes = workload.round_trips;
}

Workload workload_of(const db::Totals& totals) {
    Workload workload{};
    workload.round_trips = totals.counters.round_trips;
    for (const auto& access : totals.accesses) {
        FieldAccesses& field{workload.fields[access.field]};
        const bool read{access.access == db::Access::read};
        (read ? field.reads : field.writes) += access.count;
        if (access.reason == vmcs::no_round_trip) continue;
        (read ? field.reads_in_round_trips : field.writes_in_round_trips) += access.count;
        (read ? field.reads_to_memory : field.writes_from_memory) += access.in_memory;
    }
    estimate_changes(workload, totals.round_trips_by_reason);
    const std::uint64_t operands{totals.counters.memory_reads + totals.counters.memory_writes};
    if (operands != 0) {
        workload.walk_entries =
            static_cast<double>(totals.counters.walk_entries) / static_cast<double>(operands);
    }
    return workload;
}

} // namespace shadowtune::tuner
