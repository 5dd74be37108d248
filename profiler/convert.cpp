#include "profiler/convert.hpp"

#include <algorithm>
#include <tuple>

namespace shadowtune::profiler {

namespace {

[[nodiscard]] std::string_view text(link::L1Kind kind) {
    switch (kind) {
    case link::L1Kind::linux_bzimage: return "linux";
    case link::L1Kind::multiboot1: return "multiboot1";
    case link::L1Kind::multiboot2: return "multiboot2";
    case link::L1Kind::bios_disk: return "disk";
    case link::L1Kind::unknown: break;
    }
    return "unknown";
}

// The entry for this field, access and reason; `out` is in their order, and so is what comes, but for the
// second counter of one entry, which comes later.
template <typename Entry>
[[nodiscard]] Entry& entry_for(std::vector<Entry>& out, const link::Counter& counter) {
    const auto access{static_cast<db::Access>(link::access_of(counter.counted))};
    const auto key{[](const Entry& entry) { return std::tuple{entry.encoding, entry.access, entry.reason}; }};
    const std::tuple wanted{counter.encoding, access, counter.reason};
    auto place{out.end()};
    if (!out.empty() && key(out.back()) >= wanted) place = std::ranges::lower_bound(out, wanted, {}, key);
    if (place == out.end() || key(*place) != wanted)
        place = out.insert(place, Entry{counter.encoding, access, counter.reason});
    return *place;
}

void add_counters(db::VcpuSnapshot& out, const std::vector<link::Counter>& counters) {
    using link::Counted;
    const auto add_change{[&out](db::Change change, const link::Counter& counter) {
        out.changes.push_back({change, counter.encoding, counter.reason, counter.count});
    }};
    out.accesses.reserve(counters.size());
    for (const link::Counter& counter : counters) {
        if (counter.count == 0) continue;
        switch (counter.counted) {
        case Counted::reads:
        case Counted::writes: entry_for(out.accesses, counter).count = counter.count; break;
        case Counted::memory_reads:
        case Counted::memory_writes: entry_for(out.accesses, counter).in_memory = counter.count; break;
        case Counted::sampled_round_trips:
            out.sampled_round_trips_by_reason[counter.reason] = counter.count;
            break;
        case Counted::round_trips: out.round_trips_by_reason[counter.reason] = counter.count; break;
        case Counted::sampled_reads:
        case Counted::sampled_writes: entry_for(out.sampled, counter).count = counter.count; break;
        case Counted::squared_reads:
        case Counted::squared_writes: entry_for(out.sampled, counter).squares = counter.count; break;
        case Counted::changed: add_change(db::Change::at_exit, counter); break;
        case Counted::other: add_change(db::Change::at_switch, counter); break;
        case Counted::switches: add_change(db::Change::of_vmcs, counter); break;
        case Counted::switched_round_trips: add_change(db::Change::of_vmcs_once, counter); break;
        }
    }
}

[[nodiscard]] db::VcpuSnapshot vcpu_of(const link::VcpuSnapshot& vcpu) {
    const link::SnapshotHead& head{vcpu.head};
    db::VcpuSnapshot out;
    out.vcpu = head.vcpu;
    out.tsc = head.tsc;
    out.mode = static_cast<db::Mode>(head.mode); // the link has refused any other number
    out.sample_interval = head.sample_interval;
    out.generation = head.generation;
    out.last_reload_ticks = head.last_reload_ticks;
    out.counters.round_trips = head.round_trips;
    out.counters.round_trip_ticks = head.round_trip_ticks;
    out.counters.l0_ticks = head.l0_ticks;
    out.counters.vm_exits = head.vm_exits;
    out.counters.l2_exits_kept = head.l2_exits_kept;
    out.counters.unknown_field_accesses = head.unknown_field_accesses;
    out.counters.sync_reads = head.sync_reads;
    out.counters.sync_writes = head.sync_writes;
    out.counters.vmread_executed = head.vmread_executed;
    out.counters.vmwrite_executed = head.vmwrite_executed;
    out.counters.vmptrld_executed = head.vmptrld_executed;
    out.counters.vmclear_executed = head.vmclear_executed;
    out.counters.memory_reads = head.memory_reads;
    out.counters.memory_writes = head.memory_writes;
    out.counters.walk_entries = head.walk_entries;
    out.counters.reloads = head.reloads;
    add_counters(out, vcpu.counters);
    return out;
}

} // namespace

db::Machine machine_of(const link::HelloInfo& hello) {
    db::Machine machine;
    machine.boot_id = hello.boot_id;
    machine.cpu_brand = hello.cpu_brand;
    machine.cpu_signature = hello.cpu_signature;
    machine.tsc_khz = hello.tsc_khz;
    machine.memory_bytes = hello.memory_bytes;
    machine.vcpus = hello.vcpus;
    machine.vmm_version = hello.vmm_version;
    machine.catalogue_version = hello.catalogue_version;
    machine.hardware_msrs = hello.hardware_msrs;
    machine.offered_msrs = hello.offered_msrs;
    machine.offered_fields = hello.offered_fields;
    machine.physical_fields = hello.physical_fields;
    return machine;
}

db::Labels labels_of(const link::HelloInfo& hello, db::Labels labels) {
    labels.l1_kind = text(hello.l1_kind);
    labels.l1_name = hello.l1_name;
    return labels;
}

db::Snapshot snapshot_of(const link::Snapshot& snapshot, const link::SessionStatistics& statistics) {
    db::Snapshot out;
    out.at_ms = milliseconds_since_1970(snapshot.received);
    out.link.frames_dropped = statistics.frames_dropped;
    out.link.frames_missed = statistics.frames_missed;
    out.link.reconnects = statistics.reconnects;
    out.link.snapshots_lost = statistics.snapshots_lost + statistics.snapshots_refused;
    for (const link::VcpuSnapshot& vcpu : snapshot.vcpus)
        out.vcpus.push_back(vcpu_of(vcpu));
    return out;
}

std::int64_t milliseconds_since_1970(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

} // namespace shadowtune::profiler
