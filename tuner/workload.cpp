#include "tuner/workload.hpp"

namespace shadowtune::tuner {

Workload workload_of(const db::Totals& totals) {
    Workload workload{};
    workload.round_trips = totals.counters.round_trips;
    for (const auto& access : totals.accesses) {
        FieldAccesses& field{workload.fields[access.field]};
        const bool read{access.access == db::Access::read};
        (read ? field.reads : field.writes) += access.count;
        if (access.reason == vmcs::no_round_trip) continue;
        (read ? field.reads_in_round_trips : field.writes_in_round_trips) += access.count;
    }
    return workload;
}

} // namespace shadowtune::tuner
