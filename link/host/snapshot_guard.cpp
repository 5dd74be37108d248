#include "link/host/snapshot_guard.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace shadowtune::link {

namespace {

struct Named {
    std::string_view name;
    std::uint64_t value;
};

// By value: the head is packed, and its members have no address of their own.
[[nodiscard]] std::array<Named, 17> cumulative(const SnapshotHead& head) {
    return {{
        {"tsc", head.tsc},
        {"round_trips", head.round_trips},
        {"round_trip_ticks", head.round_trip_ticks},
        {"l0_ticks", head.l0_ticks},
        {"vm_exits", head.vm_exits},
        {"l2_exits_kept", head.l2_exits_kept},
        {"unknown_field_accesses", head.unknown_field_accesses},
        {"sync_reads", head.sync_reads},
        {"sync_writes", head.sync_writes},
        {"vmread_executed", head.vmread_executed},
        {"vmwrite_executed", head.vmwrite_executed},
        {"vmptrld_executed", head.vmptrld_executed},
        {"vmclear_executed", head.vmclear_executed},
        {"memory_reads", head.memory_reads},
        {"memory_writes", head.memory_writes},
        {"walk_entries", head.walk_entries},
        {"reloads", head.reloads},
    }};
}

[[nodiscard]] Failure<std::string> went_back(std::uint16_t vcpu, std::string_view what, std::uint64_t from,
                                             std::uint64_t to) {
    return Failure{"vCPU " + std::to_string(vcpu) + ": " + std::string{what} + " went back from " +
                   std::to_string(from) + " to " + std::to_string(to)};
}

[[nodiscard]] std::string name_of(const Counter& counter) {
    const std::string after{" after " + std::string{vmcs::exit_reason_names[counter.reason]}};
    if (counter.counted == Counted::sampled_round_trips) return "sampled round trips" + after;
    if (counter.counted == Counted::round_trips) return "round trips" + after;
    if (counter.counted == Counted::switches) return "VMPTRLDs" + after;
    if (counter.counted == Counted::switched_round_trips) return "round trips with VMPTRLDs" + after;
    const std::string of{" of " + std::string{vmcs::catalogue[vmcs::find(counter.encoding)].symbol} + after};
    if (counter.counted == Counted::changed) return "changes" + of;
    if (counter.counted == Counted::other) return "other values" + of;
    constexpr std::string_view forms[]{"", "sampled ", "squared ", "memory "};
    return std::string{forms[static_cast<std::size_t>(counter.counted) / 2]} +
           (access_of(counter.counted) == Access::read ? "reads" : "writes") + of;
}

// Both lists are ordered by the same key, and each counter of the earlier one must be in the later one.
[[nodiscard]] Result<void, std::string>
compare_counters(std::uint16_t vcpu, const std::vector<Counter>& before, const std::vector<Counter>& after) {
    auto next{after.begin()};
    for (const Counter& old : before) {
        while (next != after.end() && next->key() < old.key())
            ++next;
        const bool there{next != after.end() && next->key() == old.key()};
        const std::uint64_t count{there ? next->count : 0};
        if (count < old.count) return went_back(vcpu, name_of(old), old.count, count);
    }
    return {};
}

[[nodiscard]] Result<void, std::string> compare(const VcpuSnapshot& before, const VcpuSnapshot& after) {
    const std::uint16_t vcpu{after.head.vcpu};
    const auto old_values{cumulative(before.head)};
    const auto new_values{cumulative(after.head)};
    for (std::size_t i{0}; i < old_values.size(); ++i) {
        if (new_values[i].value < old_values[i].value) {
            return went_back(vcpu, new_values[i].name, old_values[i].value, new_values[i].value);
        }
    }
    return compare_counters(vcpu, before.counters, after.counters);
}

} // namespace

Result<void, std::string> SnapshotGuard::accept(const Snapshot& snapshot) {
    if (snapshot.boot_id == m_last.boot_id && snapshot.vcpus.size() == m_last.vcpus.size()) {
        for (std::size_t i{0}; i < snapshot.vcpus.size(); ++i) {
            if (auto compared{compare(m_last.vcpus[i], snapshot.vcpus[i])}; !compared) return compared;
        }
    }
    m_last = snapshot;
    return {};
}

} // namespace shadowtune::link
