#pragma once

// One logical processor, virtualised: the registers of whoever runs, L1's VMX state, and what was counted.

#include "hypervisor/nested/ept02.hpp"
#include "hypervisor/nested/host_image.hpp"
#include "hypervisor/nested/interrupt_command.hpp"
#include "hypervisor/nested/l2_timer.hpp"
#include "hypervisor/nested/machine.hpp"
#include "hypervisor/nested/mailbox.hpp"
#include "hypervisor/nested/plan.hpp"
#include "hypervisor/nested/vmcs12.hpp"
#include "hypervisor/nested/vpids.hpp"
#include "hypervisor/shadow/counters.hpp"
#include "hypervisor/shadow/delivery.hpp"
#include "hypervisor/shadow/frozen_counters.hpp"
#include "hypervisor/shadow/sampler.hpp"
#include "hypervisor/shadow/shadow_vmcs.hpp"
#include "hypervisor/vmx/entry.hpp"
#include "hypervisor/vmx/hardware.hpp"
#include "vmcs/exit_reason.hpp"

#include <cstdint>

namespace shadowtune::nested {

struct Statistics {
    std::uint64_t vm_exits{0};
    std::uint64_t l2_exits_kept{0};
    std::uint64_t round_trips{0};
    std::uint64_t round_trip_ticks{0};
    std::uint64_t l0_ticks{0};
    std::uint64_t unknown_field_accesses{0};
    std::uint64_t memory_reads{0};
    std::uint64_t memory_writes{0};
    std::uint64_t walk_entries{0};
    std::uint64_t reloads{0};
    std::uint64_t last_reload_ticks{0};
    std::uint64_t round_trips_by_reason[vmcs::reason_slots]{};
};

// L1's bitmap pages that L2 cannot write to (nested/l2_bitmaps.cpp), or whether it has got to one all the
// same.
struct WatchedBitmaps {
    static constexpr std::size_t capacity{16};
    std::uint64_t pages[capacity]{};
    std::size_t count{0};
    bool l2_writes{false};
};

// A VMCS of L0's and whether the processor knows it as launched.
struct OwnVmcs {
    std::uint64_t region{0};
    bool launched{false};
};

// L1's local APIC as other processors must know it to send commands. Written by the vCPU's own processor.
struct ApicView {
    std::atomic<ApicMode> mode{ApicMode::disabled};
    std::atomic<std::uint32_t> id{0};
    std::atomic<std::uint32_t> ldr{0};
    std::atomic<std::uint32_t> dfr{0xFFFF'FFFF};
    std::atomic<std::uint64_t> page{0}; // of the registers, in mode xAPIC

    [[nodiscard]] ApicAddress address() const { return {mode, id, ldr, dfr}; }
};

// Of a processor that waits in L0 (nested/sleep.hpp). woken: an NMI has been or will be sent to it.
enum class Sleep : std::uint8_t { awake, asleep, woken };

struct Vcpu {
    explicit Vcpu(Machine& m) : machine{m} {}

    vmx::GeneralRegisters registers{}; // first: vmx/entry.S finds it at offset 0
    Machine& machine;
    vmx::ExitStack* stack{nullptr};
    unsigned number{0};
    ApicView apic{};

    vmx::Hardware hardware{};
    OwnVmcs vmcs01{};
    OwnVmcs vmcs02{};
    std::uint64_t shadow_region{0};
    BitmapWords* merged_msr_bitmap{nullptr};
    BitmapWords* merged_io_bitmap_a{nullptr};
    BitmapWords* merged_io_bitmap_b{nullptr};
    WatchedBitmaps watched_bitmaps{};
    const BitmapWords* msr_bitmap_in_place{nullptr}; // L1's own page, where vmcs02 uses that
    // vmcs02's bitmaps are all ones for want of a page that L2 cannot change ...
    bool io_is_decided_at_exit{false};
    bool msr_is_decided_at_exit{false};
    bool bitmaps_until_exit{false}; // ... and are merged ones for this one entry

    // L1's view of its own processor.
    std::uint64_t feature_control{0};
    bool in_vmx_operation{false};
    std::uint64_t vmxon_pointer{no_vmcs12};
    Vmcs12 vmcs12{};
    bool runs_l2{false};
    bool init_is_blocked{false};     // came in VMX root operation (SDM Vol. 3C, 24.8)
    std::uint64_t last_init_exit{0}; // its number among the VM exits
    unsigned init_exits_in_a_row{0};
    std::atomic<bool> waits_for_startup{false}; // L1 or L2, in the wait-for-SIPI state

    // Of L1's paging structures, read for the operand of the instruction that exited.
    std::uint32_t walk_entries{0};

    // The vmcs12 whose state vmcs02 holds, and what follows from its controls and its host state.
    std::uint64_t vmcs02_owner{no_vmcs12};
    Plan plan{};
    HostImage host_image{};
    // What vmcs02's fields hold.
    std::uint64_t eptp02{0};
    std::uint64_t ept02_drops{0}; // when eptp02 was looked up
    std::uint64_t msr_bitmap02{0};
    std::uint64_t io_bitmap_a02{0};
    std::uint64_t io_bitmap_b02{0};
    std::uint16_t vpid02{vpid_flushed};
    L2Timer timer{};               // L1's VMX-preemption timer while L2 runs
    std::uint32_t timer_loaded{0}; // what vmcs02's timer-value field holds
    std::uint32_t backstop{0};     // L0's own timer value, in timer ticks
    Ept02* ept02{nullptr};

    shadow::ShadowVmcs shadow{};
    shadow::Generation* in_force{nullptr};
    shadow::Delivery delivery{};
    // Mode sample. In a sampled round trip the shadow VMCS stands aside, and what it holds grows old; it
    // comes back with the next round trip that is not sampled.
    shadow::Sampler sampler{0};
    bool round_trip_is_sampled{false};
    bool shadow_stands_aside{false};
    shadow::AccessCounters* counters{nullptr};
    shadow::FrozenCounters* frozen{nullptr};
    std::uint8_t reason{vmcs::no_round_trip}; // of the L2 exit that L1 is handling
    std::uint64_t l2_exit_tsc{0};
    std::uint64_t exit_tsc{0};
    Statistics statistics{};

    // On a line of its own, for others write to it.
    alignas(64) Mailbox mailbox{};
    std::atomic<Sleep> sleep{Sleep::awake};
};

// The bootstrap processor serves the link, and never waits for a start-up IPI.
[[nodiscard]] inline bool is_bootstrap(const Vcpu& vcpu) {
    return vcpu.number == 0;
}

// The VMCS that the next entry uses.
[[nodiscard]] inline OwnVmcs& current_vmcs(Vcpu& vcpu) {
    return vcpu.runs_l2 ? vcpu.vmcs02 : vcpu.vmcs01;
}

// Stops this L1 for good: a line and the registers on every channel, then the end of the machine.
[[noreturn]] void stop_l1(Vcpu& vcpu, const char* why);

} // namespace shadowtune::nested
