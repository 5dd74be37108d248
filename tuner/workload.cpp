#include "tuner/workload.hpp"

namespace shadowtune::tuner {

void assume_rip_changes(Workload& workload) {
    std::uint64_t& changes{workload.fields[vmcs::index_of(vmcs::Field::guest_rip)].changes};
    if (changes == 0) changes = workload.round_trips;
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
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        workload.fields[i].changes = totals.changes[i].at_exit;
        workload.fields[i].others = totals.changes[i].at_switch;
    }
    workload.switches = totals.switches;
    workload.switched_round_trips = totals.switched_round_trips;
    assume_rip_changes(workload);
    const std::uint64_t operands{totals.counters.memory_reads + totals.counters.memory_writes};
    if (operands != 0) {
        workload.walk_entries =
            static_cast<double>(totals.counters.walk_entries) / static_cast<double>(operands);
    }
    return workload;
}

} // namespace shadowtune::tuner
