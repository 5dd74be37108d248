#include "db/snapshot_totals.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace shadowtune::db {

namespace {

// A field, how it was accessed, and the reason of the exit being handled.
using Key = std::tuple<vmcs::FieldIndex, Access, std::uint8_t>;
struct Counts {
    std::uint64_t count{0};
    std::uint64_t more{0}; // of a plain access in memory, of a sampled one the squares
};
using Sums = std::map<Key, Counts>;

// Unsigned: what is subtracted may come first, the sum is right at the end.
template <typename Add>
void for_each_vcpu(const Snapshot& earlier, const Snapshot& later, Add&& add) {
    for (const VcpuSnapshot& vcpu : later.vcpus)
        add(vcpu, std::uint64_t{1});
    for (const VcpuSnapshot& vcpu : earlier.vcpus)
        add(vcpu, ~std::uint64_t{0});
}

void take_accesses(Totals& totals, const Snapshot& earlier, const Snapshot& later) {
    Sums plain{};
    Sums sampled{};
    for_each_vcpu(earlier, later, [&](const VcpuSnapshot& vcpu, std::uint64_t sign) {
        for (const AccessCount& access : vcpu.accesses) {
            const auto encoding{static_cast<vmcs::Encoding>(access.encoding & ~1U)};
            Counts& counts{plain[{vmcs::find(encoding), access.access, access.reason}]};
            counts.count += sign * access.count;
            counts.more += sign * access.in_memory;
        }
        for (const SampledCount& access : vcpu.sampled) {
            Counts& counts{sampled[{vmcs::find(access.encoding), access.access, access.reason}]};
            counts.count += sign * access.count;
            counts.more += sign * access.squares;
        }
    });
    for (const auto& [key, counts] : plain) {
        const auto& [field, access, reason]{key};
        if (counts.count != 0) add_access(totals, {field, access, reason, counts.count, counts.more});
    }
    for (const auto& [key, counts] : sampled) {
        const auto& [field, access, reason]{key};
        if (counts.count != 0) totals.sampled.push_back({field, access, reason, counts.count, counts.more});
    }
}

void take_changes(Totals& totals, const Snapshot& earlier, const Snapshot& later) {
    for_each_vcpu(earlier, later, [&](const VcpuSnapshot& vcpu, std::uint64_t sign) {
        for (const ChangeCount& change : vcpu.changes) {
            if (change.reason == vmcs::no_round_trip) continue;
            add_change(totals, change.change, vmcs::find(change.encoding), sign * change.count);
        }
    });
}

// As RecordingReader has it: a generation that is in neither was in force between the two.
[[nodiscard]] bool has_gap(const Snapshot& earlier, const Snapshot& later) {
    return std::ranges::any_of(later.vcpus, [&](const VcpuSnapshot& vcpu) {
        const auto before{std::ranges::find(earlier.vcpus, vcpu.vcpu, &VcpuSnapshot::vcpu)};
        return before != earlier.vcpus.end() && vcpu.generation > before->generation + 1;
    });
}

} // namespace

std::uint64_t round_trips_of(const Snapshot& snapshot) {
    std::uint64_t sum{0};
    for (const VcpuSnapshot& vcpu : snapshot.vcpus)
        sum += vcpu.counters.round_trips;
    return sum;
}

void add_access(Totals& totals, const AccessTotal& access) {
    totals.accesses.push_back(access);
    FieldTotal& sum{totals.fields[access.field]};
    (access.access == Access::read ? sum.reads : sum.writes) += access.count;
    (access.access == Access::read ? totals.reads : totals.writes) += access.count;
    if (access.reason != vmcs::no_round_trip) return;
    sum.outside += access.count;
    totals.outside += access.count;
}

void add_change(Totals& totals, Change change, vmcs::FieldIndex field, std::uint64_t count) {
    switch (change) {
    case Change::at_exit: totals.changes[field].at_exit += count; break;
    case Change::at_switch: totals.changes[field].at_switch += count; break;
    case Change::of_vmcs: totals.switches += count; break;
    case Change::of_vmcs_once: totals.switched_round_trips += count; break;
    }
}

Totals totals_between(const Snapshot& earlier, const Snapshot& later) {
    Totals totals{};
    take_accesses(totals, earlier, later);
    take_changes(totals, earlier, later);
    for_each_vcpu(earlier, later, [&](const VcpuSnapshot& vcpu, std::uint64_t sign) {
        for (std::size_t reason{0}; reason < vmcs::reason_slots; ++reason) {
            totals.round_trips_by_reason[reason] += sign * vcpu.round_trips_by_reason[reason];
            totals.sampled_round_trips_by_reason[reason] += sign * vcpu.sampled_round_trips_by_reason[reason];
        }
        for (const auto member : counter_members)
            totals.counters.*member += sign * vcpu.counters.*member;
        if (vcpu.mode != Mode::trap) totals.all_trap = false;
    });
    for (const std::uint64_t count : totals.sampled_round_trips_by_reason)
        totals.sampled_round_trips += count;
    if (has_gap(earlier, later)) totals.all_trap = false;
    bool first{true};
    for (const Snapshot* snapshot : {&earlier, &later}) {
        for (const VcpuSnapshot& vcpu : snapshot->vcpus) {
            totals.first_generation =
                first ? vcpu.generation : std::min(totals.first_generation, vcpu.generation);
            first = false;
        }
    }
    for (const VcpuSnapshot& vcpu : later.vcpus) {
        totals.generation = std::max(totals.generation, vcpu.generation);
        totals.last_reload_ticks = std::max(totals.last_reload_ticks, vcpu.last_reload_ticks);
    }
    return totals;
}

} // namespace shadowtune::db
