// VMLAUNCH and VMRESUME of L1: checks, vmcs02 brought up to date, L2 runs. SDM Vol. 3C, chapter 27 (edition
// 325462-087).
//
// vmcs02's guest state is L2's own, unmerged, so the processor itself checks it at the entry (27.3) and what
// it finds goes to L1 as it is. Only what vmcs02 does not carry over is checked here: controls, host state
// and link pointer.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/startup.hpp"
#include "hypervisor/nested/update_vmcs02.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"
#include "hypervisor/shadow/recognise_l1.hpp"
#include "hypervisor/shadow/shadowing.hpp"

namespace shadowtune::nested {

namespace {

using vmx::InstructionError;

constexpr std::uint32_t reason_guest_state{
    vmx::exit_reason_entry_failure | static_cast<std::uint32_t>(vmcs::ExitReason::entry_failure_guest_state)};
constexpr std::uint32_t reason_msr_loading{
    vmx::exit_reason_entry_failure | static_cast<std::uint32_t>(vmcs::ExitReason::entry_failure_msr_loading)};

[[nodiscard]] EntryContext make_context(const Vcpu& vcpu, std::uint64_t l1_efer) {
    EntryContext context{};
    context.in_ia32e_mode = (l1_efer & cpu::efer::lma) != 0;
    context.current_vmcs = vcpu.vmcs12.address();
    const Vmcs12Values& values{vcpu.vmcs12.values()};
    if (vcpu.plan.reads_vtpr) {
        constexpr std::uint64_t vtpr_offset{0x80};
        vcpu.machine.l1.read(values.get(F::virtual_apic_address) + vtpr_offset, &context.vtpr, 1);
        context.vtpr_known = true;
    }
    if (vcpu.plan.reads_link && needs_link_header(values, vcpu.machine.processor)) {
        context.link_header = vcpu.machine.l1.read32(values.get(F::vmcs_link_pointer));
        context.link_header_known = true;
    }
    return context;
}

// 27.2. Checks only what changed since the last entry that passed.
[[nodiscard]] InstructionError check(Vcpu& vcpu, const EntryContext& context) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const auto& machine{vcpu.machine};
    const DirtyGroups changed{vmcs12.dirty_groups()};
    constexpr DirtyGroups control_groups{group::controls | group::event | group::tpr};
    if (((changed & control_groups) != 0 || vcpu.plan.reads_vtpr) &&
        !check_changed_controls(changed, vmcs12.values(), machine.offered_msrs, machine.processor, context)) {
        return InstructionError::entry_invalid_control_fields;
    }
    // 27.2.4 looks at L1's own mode as well, which changes without a VMWRITE.
    if (((changed & group::host) != 0 || context.in_ia32e_mode != vcpu.host_image.is_64bit) &&
        !check_host_state(vmcs12.values(), machine.offered_msrs, machine.processor, context)) {
        return InstructionError::entry_invalid_host_state_fields;
    }
    return InstructionError::none;
}

// Without EPT an entry to PAE paging loads the PDPTEs from memory (27.3.2.4); vmcs02 has EPT, so that the
// processor takes them from its fields. False where a reserved bit is set (27.3.1.6; Vol. 3A, Table 5-8).
[[nodiscard]] bool load_pdptes(Vcpu& vcpu, std::uint64_t (&pdptes)[4]) {
    auto& hw{vcpu.hardware};
    const Vmcs12& vmcs12{vcpu.vmcs12};
    if (vcpu.plan.has_ept) return true;
    if ((vmcs12.get32(F::vm_entry_controls) & vmx::entry::ia32e_mode_guest) != 0) return true;
    if ((hw.read(F::guest_cr0) & cpu::cr0::pg) == 0 || (hw.read(F::guest_cr4) & cpu::cr4::pae) == 0)
        return true;
    constexpr std::uint64_t present{1}, reserved{0x1E6};
    const std::uint64_t table{hw.read(F::guest_cr3) & 0xFFFF'FFE0};
    vcpu.machine.l1.read(table, pdptes, sizeof(pdptes));
    const F fields[]{F::guest_pdpte_0, F::guest_pdpte_1, F::guest_pdpte_2, F::guest_pdpte_3};
    // vmcs12 has others, which an entry with EPT loads.
    vcpu.vmcs12.mark_dirty(
        detail::set_of(F::guest_pdpte_0, F::guest_pdpte_1, F::guest_pdpte_2, F::guest_pdpte_3));
    for (unsigned i{0}; i < 4; ++i) {
        const bool too_wide{pdptes[i] >> vcpu.machine.processor.physical_address_bits != 0};
        if ((pdptes[i] & present) != 0 && ((pdptes[i] & reserved) != 0 || too_wide)) return false;
        hw.write(fields[i], pdptes[i]);
    }
    return true;
}

// The exit qualification where a PDPTE has a reserved bit set: they are looked at last, so that whatever else
// is wrong with the guest state comes first (27.3.1.6).
[[nodiscard]] std::uint64_t refused_pdptes(Vcpu& vcpu, EntryContext context, const std::uint64_t* pdptes) {
    fetch_fields(vcpu, vcpu.vmcs12.in_vmcs02());
    context.pdptes = pdptes;
    const auto state{
        check_guest_state(vcpu.vmcs12.values(), vcpu.machine.offered_msrs, vcpu.machine.processor, context)};
    return static_cast<std::uint64_t>(state ? GuestFailure::pdpte : state.error().qualification);
}

// The processor must not be entered in this state: no start-up IPI of L1's reaches it (nested/apic.hpp). It
// never leaves the state in vmcs02 either.
[[nodiscard]] bool enters_wait_for_sipi(const Vmcs12& vmcs12) {
    return vmcs12.get32(F::guest_activity_state) ==
               static_cast<std::uint32_t>(vmx::ActivityState::wait_for_sipi) &&
           !vmcs12.in_vmcs02().test(F::guest_activity_state);
}

// Values that L2's last exit left in vmcs02 and that this entry has to look at, or is about to write over
// there. Most entries need none.
void fetch_for_entry(Vcpu& vcpu) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    vmcs::FieldSet needed{};
    const std::uint32_t injected{vmcs12.get32(F::vm_entry_interruption_information)};
    if (vmx::interruption::is_valid(injected) &&
        vmx::interruption::type(injected) == vmx::EventType::hardware_exception) {
        needed.set(
            F::guest_cr0); // 27.2.1.3: an unrestricted guest takes an error code only in protected mode
    }
    if (vcpu.plan.loads_msr_list) needed |= msr_list_fields;
    needed &= vmcs12.in_vmcs02();
    if (needed.empty()) return;
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    fetch_fields(vcpu, needed);
}

void finish_round_trip(Vcpu& vcpu) {
    if (vcpu.reason == vmcs::no_round_trip) return;
    ++vcpu.statistics.round_trips;
    ++vcpu.statistics.round_trips_by_reason[vcpu.reason];
}

// L2 is about to run: everything of its vmcs12 is in vmcs02.
[[gnu::always_inline]] inline void begin_l2(Vcpu& vcpu, const L1State& l1) {
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    update_vmcs02(vcpu, l1);
    vcpu.vmcs12.clean();
    vcpu.runs_l2 = true;
    finish_round_trip(vcpu);
}

void refuse_guest_state(Vcpu& vcpu, const EntryContext& context) {
    // Another rule than the one found may be broken as well, and then it is the other that the processor
    // would tell.
    fetch_fields(vcpu, vcpu.vmcs12.in_vmcs02());
    const auto state{
        check_guest_state(vcpu.vmcs12.values(), vcpu.machine.offered_msrs, vcpu.machine.processor, context)};
    vcpu.runs_l2 = true;
    finish_round_trip(vcpu);
    deliver_exit_to_l1(
        vcpu, ExitOverride{reason_guest_state, static_cast<std::uint64_t>(state.error().qualification)});
}

// Whatever an entry may have to look at.
void enter_with_checks(Vcpu& vcpu, const L1State& l1) {
    auto& hw{vcpu.hardware};
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const Plan& plan{vcpu.plan};
    const auto& machine{vcpu.machine};
    fetch_for_entry(vcpu);
    const EntryContext context{make_context(vcpu, l1.efer)};
    if (const InstructionError error{check(vcpu, context)}; error != InstructionError::none) {
        vcpu.shadow.settle(hw);
        hw.make_current(vcpu.vmcs01.region);
        return vm_fail(vcpu, error);
    }
    update_host_image(vcpu);
    hw.make_current(vcpu.vmcs02.region);
    const bool waits{enters_wait_for_sipi(vmcs12)};
    // The processor checks the guest state where it is entered, and MSRs are loaded after that (27.4).
    const bool checks_here{waits || plan.loads_msr_list};
    if (checks_here) fetch_fields(vcpu, vmcs12.in_vmcs02());
    const bool passes{!checks_here ||
                      check_guest_state(vmcs12.values(), machine.offered_msrs, machine.processor, context)};
    if (!passes || (plan.reads_link &&
                    !check_link_pointer(vmcs12.values(), machine.offered_msrs, machine.processor, context))) {
        return refuse_guest_state(vcpu, context);
    }
    begin_l2(vcpu, l1);
    std::uint64_t pdptes[4];
    if (!load_pdptes(vcpu, pdptes)) {
        return deliver_exit_to_l1(vcpu,
                                  ExitOverride{reason_guest_state, refused_pdptes(vcpu, context, pdptes)});
    }
    if (plan.loads_msr_list) {
        const std::uint32_t count{vmcs12.get32(F::vm_entry_msr_load_count)};
        const std::uint32_t bad{load_msr_list(vcpu, vmcs12.get(F::vm_entry_msr_load_address), count)};
        if (bad != 0) return deliver_exit_to_l1(vcpu, ExitOverride{reason_msr_loading, bad});
    }
    if (waits) wait_for_startup_of_l2(vcpu);
}

// Whether there is nothing to look at: L1 has changed only what vmcs02 has as it is and the processor checks.
[[nodiscard]] bool is_plain_entry(const Vcpu& vcpu, const L1State& l1) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const bool in_ia32e_mode{(l1.efer & cpu::efer::lma) != 0};
    return (vmcs12.dirty_groups() & ~group::direct) == 0 && !vcpu.plan.looks_beyond_vmcs12 &&
           in_ia32e_mode == vcpu.host_image.is_64bit &&
           vmcs12.get32(F::guest_activity_state) !=
               static_cast<std::uint32_t>(vmx::ActivityState::wait_for_sipi);
}

template <bool launch>
void enter(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    Vmcs12& vmcs12{vcpu.vmcs12};
    if (!require_vmx_operation(vcpu)) return;
    if (!vmcs12.is_current() || vmcs12.is_shadow()) return vm_fail_invalid(vcpu);
    const auto interruptibility{static_cast<std::uint32_t>(hw.read(F::guest_interruptibility_state))};
    if ((interruptibility & vmx::interruptibility::blocking_by_mov_ss) != 0) {
        return vm_fail(vcpu, InstructionError::entry_events_blocked_by_mov_ss);
    }
    if (vmcs12.launched == launch) {
        return vm_fail(vcpu, launch ? InstructionError::vmlaunch_non_clear_vmcs
                                    : InstructionError::vmresume_non_launched_vmcs);
    }
    L1State l1{hw.read(F::guest_ia32_efer), 0, 0};
    shadow::collect_writes_for_entry(vcpu);
    claim_vmcs02(vcpu);
    update_plan(vcpu);
    if (!vcpu.plan.loads_debug_controls) {
        hw.make_current(vcpu.vmcs01.region);
        l1.debugctl = hw.read(F::guest_ia32_debugctl);
        l1.dr7 = hw.read(F::guest_dr7);
    }
    if (is_plain_entry(vcpu, l1)) [[likely]] {
        begin_l2(vcpu, l1);
    } else {
        enter_with_checks(vcpu, l1);
    }
}

} // namespace

void emulate_vmlaunch(Vcpu& vcpu) {
    enter<true>(vcpu);
    if (vcpu.runs_l2 && !vcpu.machine.recognition.is_settled()) shadow::recognise_l1(vcpu);
}

void emulate_vmresume(Vcpu& vcpu) {
    enter<false>(vcpu);
}

} // namespace shadowtune::nested
