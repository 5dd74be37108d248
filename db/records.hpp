#pragma once

// What the store takes and gives: plain data, apart from the link's records so that the file and the wire can
// change one without the other. Counters are cumulative from power-on, ticks are TSC ticks (in the lab:
// instructions).

#include "vmcs/exit_reason.hpp"
#include "vmcs/fingerprint.hpp"
#include "vmcs/machine.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::db {

enum class Mode : std::uint8_t { trap = 0, tuned = 1, sample = 2 };
enum class Access : std::uint8_t { read = 0, write = 1 };

[[nodiscard]] constexpr std::string_view text(Mode mode) {
    constexpr std::string_view names[]{"trap", "tuned", "sample"};
    return names[static_cast<std::size_t>(mode)];
}
[[nodiscard]] constexpr std::string_view text(Access access) {
    return access == Access::read ? "read" : "write";
}

// One boot of the VMM on one machine.
struct Machine {
    std::uint64_t boot_id{0}; // differs from boot to boot
    std::string cpu_brand;
    std::uint32_t cpu_signature{0}; // CPUID 01H EAX
    std::uint32_t tsc_khz{0};       // 0: unknown
    std::uint64_t memory_bytes{0};  // RAM given to L1
    std::uint32_t vcpus{0};
    std::string vmm_version;
    std::uint32_t catalogue_version{0};
    vmcs::CapabilityMsrs hardware_msrs; // the processor's
    vmcs::CapabilityMsrs offered_msrs;  // as L1 reads them
    vmcs::FieldSet offered_fields;      // that L1 can access
    vmcs::FieldSet physical_fields;     // that the processor has

    // What a profile for this machine is checked against. IA32_VMX_MISC[29]: SDM Vol. 3D, A.6 (325462-087).
    [[nodiscard]] vmcs::ProfileTarget profile_target() const {
        return {offered_fields & physical_fields, ((offered_msrs[0x485] >> 29) & 1U) != 0};
    }
};

struct Labels {
    std::string l1_kind;   // linux, multiboot1, multiboot2, disk, unknown
    std::string l1_name;   // as L0 tells it
    std::string workload;  // the user's
    std::string cpu_model; // the lab's processor model; empty on hardware
    std::string tool_version;
};

// What one set of bitmaps is made of.
struct Generation {
    std::uint32_t number{0};
    Mode mode{Mode::trap};
    std::uint16_t sample_interval{0}; // in mode sample: one of so many round trips
    std::string profile_name;
    vmcs::ShadowSets sets; // empty in mode trap

    // L0 tells the name of a profile that somebody else loaded, and no more.
    [[nodiscard]] bool knows_sets() const { return mode == Mode::trap || !sets.hot_set().empty(); }
};

struct AccessCount {
    vmcs::Encoding encoding{0}; // as L1 used it: odd for a high half
    Access access{Access::read};
    std::uint8_t reason{vmcs::no_round_trip}; // basic exit reason of the L2 exit being handled
    std::uint64_t count{0};
    std::uint64_t in_memory{0}; // of these, with an operand in memory
};

// Accesses of a field in the sampled round trips of one exit reason, high halves included.
struct SampledCount {
    vmcs::Encoding encoding{0}; // even
    Access access{Access::read};
    std::uint8_t reason{0};
    std::uint64_t count{0};
    std::uint64_t squares{0}; // sum over the round trips of each one's accesses, squared
};

// How what the shadow VMCS has to hold becomes another value.
enum class Change : std::uint8_t {
    at_exit = 0,      // of a field: L1's first trapped VMREAD after an exit found another value than before
    at_switch = 1,    // of a field: the VMCS that L1 turned to has another value; estimated
    of_vmcs = 2,      // VMPTRLDs in round trips that made another VMCS current
    of_vmcs_once = 3, // round trips that had one of these
};

[[nodiscard]] constexpr bool is_of_field(Change change) {
    return change == Change::at_exit || change == Change::at_switch;
}

struct ChangeCount {
    Change change{Change::at_exit};
    vmcs::Encoding encoding{0};               // even; 0 where it is of no field
    std::uint8_t reason{vmcs::no_round_trip}; // as of AccessCount
    std::uint64_t count{0};
};

// Scalars of one vCPU; names and meaning as in link::SnapshotHead.
struct VcpuCounters {
    std::uint64_t round_trips{0};
    std::uint64_t round_trip_ticks{0};
    std::uint64_t l0_ticks{0};
    std::uint64_t vm_exits{0};
    std::uint64_t l2_exits_kept{0};
    std::uint64_t unknown_field_accesses{0};
    std::uint64_t sync_reads{0};
    std::uint64_t sync_writes{0};
    std::uint64_t vmread_executed{0};
    std::uint64_t vmwrite_executed{0};
    std::uint64_t vmptrld_executed{0};
    std::uint64_t vmclear_executed{0};
    std::uint64_t reloads{0};
    std::uint64_t memory_reads{0};
    std::uint64_t memory_writes{0};
    std::uint64_t walk_entries{0};
};

// All of them, for sums.
inline constexpr std::uint64_t VcpuCounters::*counter_members[]{
    &VcpuCounters::round_trips,      &VcpuCounters::round_trip_ticks, &VcpuCounters::l0_ticks,
    &VcpuCounters::vm_exits,         &VcpuCounters::l2_exits_kept,    &VcpuCounters::unknown_field_accesses,
    &VcpuCounters::sync_reads,       &VcpuCounters::sync_writes,      &VcpuCounters::vmread_executed,
    &VcpuCounters::vmwrite_executed, &VcpuCounters::vmptrld_executed, &VcpuCounters::vmclear_executed,
    &VcpuCounters::reloads,          &VcpuCounters::memory_reads,     &VcpuCounters::memory_writes,
    &VcpuCounters::walk_entries};

struct VcpuSnapshot {
    std::uint16_t vcpu{0};
    std::uint64_t tsc{0};
    Mode mode{Mode::trap};
    std::uint16_t sample_interval{0};
    std::uint32_t generation{0};
    std::uint64_t last_reload_ticks{0}; // not cumulative
    VcpuCounters counters;
    std::array<std::uint64_t, vmcs::reason_slots> round_trips_by_reason{};
    std::vector<AccessCount> accesses; // outside of sampled round trips; those that are not 0, in any order
    std::array<std::uint64_t, vmcs::reason_slots> sampled_round_trips_by_reason{};
    std::vector<SampledCount> sampled; // those that are not 0, in any order
    std::vector<ChangeCount> changes;  // in sampled round trips or not; those that are not 0, in any order
};

// Of the host's end of the link, cumulative since it connected first.
struct LinkStatistics {
    std::uint64_t frames_dropped{0};
    std::uint64_t frames_missed{0};
    std::uint64_t reconnects{0};
    std::uint64_t snapshots_lost{0};
};

struct Snapshot {
    std::int64_t at_ms{0}; // since 1970, UTC
    LinkStatistics link;
    std::vector<VcpuSnapshot> vcpus;
};

// What L1 did before L2 ran for the first time.
struct Fingerprint {
    bool hidden{false}; // accesses were shadowed then: nothing is known
    vmcs::Fingerprint seen;
};

struct RecordingInfo {
    std::int64_t id{0};
    Labels labels;
    std::int64_t started_ms{0};
    std::optional<std::int64_t> ended_ms; // none: still running, or the recorder was killed
    std::uint32_t snapshots{0};
};

} // namespace shadowtune::db
