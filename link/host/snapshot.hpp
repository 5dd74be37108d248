#pragma once

// What the VMM has counted, and who it is, as the tools see it: whole, checked, unpacked.

#include "link/recognition_messages.hpp"
#include "vmcs/catalogue.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace shadowtune::link {

struct HelloInfo {
    std::uint64_t boot_id{0}; // another boot, another number
    std::uint16_t vcpus{0};   // at least 1
    std::uint32_t catalogue_version{0};
    std::string vmm_version;
    std::string cpu_brand;
    std::uint32_t cpu_signature{0};     // CPUID 01H EAX
    std::uint32_t tsc_khz{0};           // 0: unknown
    std::uint64_t memory_bytes{0};      // RAM given to L1
    vmcs::CapabilityMsrs hardware_msrs; // the processor's
    vmcs::CapabilityMsrs offered_msrs;  // as L1 reads them
    vmcs::FieldSet offered_fields;      // that L1 can access
    vmcs::FieldSet physical_fields;     // that the processor has
    L1Kind l1_kind{L1Kind::unknown};
    std::string l1_name;

    // What a profile for this VMM is checked against before it is sent. IA32_VMX_MISC[29]: SDM Vol. 3D, A.6.
    [[nodiscard]] vmcs::ProfileTarget profile_target() const {
        return {offered_fields & physical_fields, ((offered_msrs[0x485] >> 29) & 1U) != 0};
    }
};

struct Counter {
    vmcs::Encoding encoding{0}; // as L1 used it: odd for a high half; 0 where `counted` is of no field
    Counted counted{Counted::reads};
    std::uint8_t reason{vmcs::no_round_trip}; // basic exit reason of the L2 exit being handled
    std::uint64_t count{0};                   // cumulative from power-on

    // What is counted, apart from how often.
    [[nodiscard]] std::tuple<vmcs::Encoding, Counted, std::uint8_t> key() const {
        return {encoding, counted, reason};
    }
    friend bool operator==(const Counter&, const Counter&) = default;
};

struct VcpuSnapshot {
    SnapshotHead head{};
    std::vector<Counter> counters; // ordered by encoding, counted, reason; none twice
};

struct Snapshot {
    std::uint64_t boot_id{0};
    std::chrono::system_clock::time_point received;
    std::vector<VcpuSnapshot> vcpus; // one for each, in order
};

// What L1 did before L2 ran for the first time.
struct FingerprintInfo {
    std::uint64_t boot_id{0};
    RecognitionState state{RecognitionState::awaited};
    vmcs::Fingerprint fingerprint; // this and the rest where the state is `seen`
    Verdict verdict{Verdict::none};
    std::string type;    // the nearest one that the VMM knows
    std::string profile; // that it has put in force; empty: none
};

struct VcpuStatus {
    std::uint16_t vcpu{0};
    Mode mode{Mode::trap};
    std::uint16_t sample_interval{0}; // in mode sample
    L1State l1_state{L1State::running};
    std::uint32_t generation{0};        // in force
    std::uint32_t newest_generation{0}; // accepted
    std::uint64_t tsc{0};
    std::uint64_t round_trips{0};
    std::uint64_t round_trip_ticks{0}; // as of SnapshotHead
    std::uint64_t last_reload_ticks{0};
    std::string profile_name;
};

} // namespace shadowtune::link
