#pragma once

// What all vCPUs share: memory, the processor's facts, what L1 is offered, the bitmaps and the link. Made
// once at start.

#include "hypervisor/devices/a20_gate.hpp"
#include "hypervisor/devices/link_port.hpp"
#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/nested/merge.hpp"
#include "hypervisor/nested/offered_encodings.hpp"
#include "hypervisor/nested/turns.hpp"
#include "hypervisor/shadow/generations.hpp"
#include "hypervisor/shadow/library.hpp"
#include "hypervisor/shadow/recognition.hpp"
#include "vmcs/machine.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

// The VMCS revision identifier that L1 sees: ours, since the region's format is ours ("ST", format 1).
inline constexpr std::uint32_t vmcs12_revision{0x5354'0001};

struct Vcpu;

struct Machine {
    static constexpr std::size_t most_vcpus{64};

    memory::L0Memory& l0;
    memory::L1Memory l1;
    const memory::MemoryMap& map;             // the machine's, before L0 took its region
    const memory::MemoryMap* l1_map{nullptr}; // as L1 has it: L0's region is reserved
    std::uint64_t eptp01{0};
    memory::Ept01Pages ept01_pages{};

    // By number; the bootstrap processor's first. Complete before L1 runs.
    Vcpu* vcpus[most_vcpus]{};
    std::size_t vcpu_count{0};
    std::atomic<std::uint32_t> first_touches{0}; // the clock of the vCPUs' counters
    // L1's INIT and start-up IPIs are L0's: all but the machine that has a single processor for certain.
    bool intercepts_ipis{true};
    std::atomic<bool> apic_pages_lock{false};
    Turns turns{};              // nested/standstill.hpp
    std::size_t ept02_pages{0}; // for the tables of each vCPU's EPT02
    // Of the snapshot that the vCPUs freeze their counters for; never 0 then. L0's own, for hosts may use an
    // id again.
    std::atomic<std::uint32_t> snapshot_number{0};
    // Of the one that the host has, which the counters are compared to; 0: none.
    std::atomic<std::uint32_t> known_snapshot{0};

    vmcs::CapabilityMsrs hardware_msrs{};
    vmcs::CapabilityMsrs offered_msrs{};
    vmcs::FieldSet physical_fields{};
    vmcs::FieldSet offered_fields{};
    OfferedEncodings offered_encodings{};
    ProcessorFacts processor{};

    // MSRs and ports that L0 must see whoever touches them.
    OwnBitmap msr_bitmap{};
    OwnBitmap io_bitmap_a{};
    OwnBitmap io_bitmap_b{};
    const BitmapWords* all_ones{nullptr};

    devices::A20Gate a20{};
    shadow::Generations generations{};
    shadow::Library* library{nullptr};
    shadow::Recognition recognition{};
    devices::LinkPort link{devices::com2_base};
    std::uint64_t boot_id{0};
    link::Timings timings{}; // but for the id
    std::uint64_t l1_memory_bytes{0};
    link::L1Kind l1_kind{link::L1Kind::unknown};
    char l1_name[sizeof(link::Hello::l1_name)]{};
};

} // namespace shadowtune::nested
