// VMLAUNCH and VMRESUME of L1: checks, vmcs02 brought up to date, L2 runs. SDM Vol. 3C, chapter 27 (edition
// 325462-087).
//
// vmcs02's guest state is L2's own, unmerged, so the processor itself checks it at the entry (27.3) and what
// it finds goes to L1 as it is. Only what vmcs02 does not carry over is checked here: controls, host state
// and link pointer.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/save.hpp"
#include "hypervisor/nested/startup.hpp"
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

// Secondary controls that vmcs02 never has: what they do L0 does, at the exits that come without them.
constexpr std::uint32_t emulated_by_l0{vmx::secondary::vmcs_shadowing | vmx::secondary::enable_pml |
                                       vmx::secondary::ept_violation_ve};

// What L1's own state contributes where vmcs12 does not load it.
struct L1State {
    std::uint64_t efer, debugctl, dr7;
};

[[nodiscard]] bool any(const vmcs::FieldSet& a, const vmcs::FieldSet& b) {
    return !(a & b).empty();
}

[[nodiscard]] EntryContext make_context(const Vcpu& vcpu, const L1State& l1) {
    EntryContext context{};
    context.in_ia32e_mode = (l1.efer & cpu::efer::lma) != 0;
    context.current_vmcs = vcpu.vmcs12.address();
    const Vmcs12Values& values{vcpu.vmcs12.values()};
    if (needs_vtpr(values)) {
        constexpr std::uint64_t vtpr_offset{0x80};
        vcpu.machine.l1.read(values.get(F::virtual_apic_address) + vtpr_offset, &context.vtpr, 1);
        context.vtpr_known = true;
    }
    if (needs_link_header(values, vcpu.machine.processor)) {
        context.link_header = vcpu.machine.l1.read32(values.get(F::vmcs_link_pointer));
        context.link_header_known = true;
    }
    return context;
}

// 27.2. Checks only what changed since the last entry that passed.
[[nodiscard]] InstructionError check(Vcpu& vcpu, const EntryContext& context) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const auto& machine{vcpu.machine};
    // The TPR threshold is compared with L1's memory, which changes without a VMWRITE.
    const bool tpr{(vmcs12.get32(F::primary_processor_based_controls) & vmx::primary::use_tpr_shadow) != 0};
    if ((tpr || any(vmcs12.dirty(), control_fields)) &&
        !check_controls(vmcs12.values(), machine.offered_msrs, machine.processor, context)) {
        return InstructionError::entry_invalid_control_fields;
    }
    if (any(vmcs12.dirty(), host_fields | control_fields) &&
        !check_host_state(vmcs12.values(), machine.offered_msrs, machine.processor, context)) {
        return InstructionError::entry_invalid_host_state_fields;
    }
    return InstructionError::none;
}

void write_controls(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const auto& msrs{vcpu.machine.hardware_msrs};
    const auto& l1{vcpu.machine.l1};
    const std::uint32_t pin12{vmcs12.get32(F::pin_based_controls)};
    const std::uint32_t primary12{vmcs12.get32(F::primary_processor_based_controls)};
    const std::uint32_t secondary12{secondary_controls_in_force(vmcs12.values())};
    const std::uint32_t exit12{vmcs12.get32(F::primary_vm_exit_controls)};
    const std::uint32_t entry12{vmcs12.get32(F::vm_entry_controls)};

    hw.write(F::pin_based_controls,
             vmx::adjust(pin12 | vmx::pin::activate_preemption_timer, pin_capability(msrs)));

    const std::uint32_t primary{(primary12 & ~vmx::primary::unconditional_io_exiting) |
                                vmx::primary::use_io_bitmaps | vmx::primary::use_msr_bitmaps |
                                vmx::primary::activate_secondary_controls};
    hw.write(F::primary_processor_based_controls, vmx::adjust(primary, primary_capability(msrs)));

    hw.write(F::secondary_processor_based_controls,
             (secondary12 & ~emulated_by_l0) | vmx::secondary::enable_ept | vmx::secondary::enable_vpid);

    std::uint32_t exit{vmx::exit::host_address_space_size | vmx::exit::save_debug_controls |
                       vmx::exit::save_efer | vmx::exit::load_efer};
    constexpr std::uint32_t taken_over{vmx::exit::acknowledge_interrupt_on_exit | vmx::exit::save_pat |
                                       vmx::exit::save_perf_global_ctrl};
    exit |= exit12 & taken_over;
    // A VM-exit MSR-store area must still find L2's values (28.4 comes before 28.5): L0 loads L1's behind it.
    if (vmcs12.get32(F::vm_exit_msr_store_count) == 0) exit |= exit12 & loaded_by_exit;
    hw.write(F::primary_vm_exit_controls, vmx::adjust(exit, exit_capability(msrs)));

    const std::uint32_t entry{vmx::entry::load_debug_controls | vmx::entry::load_efer |
                              (entry12 & (vmx::entry::ia32e_mode_guest | vmx::entry::load_pat |
                                          vmx::entry::load_perf_global_ctrl))};
    hw.write(F::vm_entry_controls, vmx::adjust(entry, entry_capability(msrs)));

    if ((primary12 & vmx::primary::use_tpr_shadow) != 0) {
        hw.write(F::virtual_apic_address, l1.host_address(vmcs12.get(F::virtual_apic_address)));
    }
    if ((secondary12 & vmx::secondary::virtualize_apic_accesses) != 0) {
        hw.write(F::apic_access_address, l1.host_address(vmcs12.get(F::apic_access_address)));
    }
}

// IA32_EFER after an entry that does not load it: SDM Vol. 3C, 27.3.2.1.
[[nodiscard]] std::uint64_t efer_not_loaded(std::uint32_t entry12, std::uint64_t l2_cr0,
                                            std::uint64_t l1_efer) {
    const bool long_mode{(entry12 & vmx::entry::ia32e_mode_guest) != 0};
    const bool paging{(l2_cr0 & cpu::cr0::pg) != 0};
    std::uint64_t efer{l1_efer & ~cpu::efer::lma};
    if (paging) efer &= ~cpu::efer::lme;
    if (long_mode) efer |= cpu::efer::lma | cpu::efer::lme;
    return efer;
}

// vmcs02 always loads and saves these. Where vmcs12 loads the field, too, L2's last exit may have left the
// value where it is needed; where it does not, what that exit saved is fetched before L1's own value is
// written over it.
void write_conditional(Vcpu& vcpu, F field, bool loads, std::uint64_t otherwise) {
    const bool is_there{vcpu.vmcs12.in_vmcs02().test(field)};
    if (loads && is_there) return;
    if (is_there) fetch_fields(vcpu, detail::set_of(field));
    vcpu.hardware.write(field, loads ? vcpu.vmcs12.get(field) : otherwise);
}

// After the direct fields: CR0 in vmcs02 is L2's then.
void write_conditional_state(Vcpu& vcpu, const L1State& l1) {
    const std::uint32_t entry12{vcpu.vmcs12.get32(F::vm_entry_controls)};
    const bool loads_efer{(entry12 & vmx::entry::load_efer) != 0};
    write_conditional(vcpu, F::guest_ia32_efer, loads_efer,
                      loads_efer ? 0 : efer_not_loaded(entry12, vcpu.hardware.read(F::guest_cr0), l1.efer));
    const bool loads_debug{(entry12 & vmx::entry::load_debug_controls) != 0};
    write_conditional(vcpu, F::guest_ia32_debugctl, loads_debug, l1.debugctl);
    write_conditional(vcpu, F::guest_dr7, loads_debug, l1.dr7);
}

// Without EPT an entry to PAE paging loads the PDPTEs from memory (27.3.2.4); vmcs02 has EPT, so that the
// processor takes them from its fields. False where a reserved bit is set (27.3.1.6; Vol. 3A, Table 5-8).
[[nodiscard]] bool load_pdptes(Vcpu& vcpu, std::uint64_t (&pdptes)[4]) {
    auto& hw{vcpu.hardware};
    const Vmcs12& vmcs12{vcpu.vmcs12};
    if ((secondary_controls_in_force(vmcs12.values()) & vmx::secondary::enable_ept) != 0) return true;
    if ((vmcs12.get32(F::vm_entry_controls) & vmx::entry::ia32e_mode_guest) != 0) return true;
    if ((hw.read(F::guest_cr0) & cpu::cr0::pg) == 0 || (hw.read(F::guest_cr4) & cpu::cr4::pae) == 0)
        return true;
    constexpr std::uint64_t present{1}, reserved{0x1E6};
    const std::uint64_t table{hw.read(F::guest_cr3) & 0xFFFF'FFE0};
    vcpu.machine.l1.read(table, pdptes, sizeof(pdptes));
    const F fields[]{F::guest_pdpte_0, F::guest_pdpte_1, F::guest_pdpte_2, F::guest_pdpte_3};
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

void start_timer(Vcpu& vcpu) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    if ((vmcs12.get32(F::pin_based_controls) & vmx::pin::activate_preemption_timer) == 0) {
        return vcpu.timer.stop();
    }
    const auto rate{static_cast<unsigned>(vcpu.machine.hardware_msrs[vmx::msr::vmx_misc] &
                                          vmx::misc::preemption_timer_rate_mask)};
    vcpu.timer.start(cpu::rdtsc(), rate, vmcs12.get32(F::vmx_preemption_timer_value));
}

// Without VPID both entry and exit flush L1's translations, too: L1 and L2 share VPID 0 (SDM Vol.
// 3C, 29.4.3.1).
void switch_vpid(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    vcpu.l2_has_vpid = (secondary_controls_in_force(vcpu.vmcs12.values()) & vmx::secondary::enable_vpid) != 0;
    const auto vpid12{
        static_cast<std::uint16_t>(vcpu.l2_has_vpid ? vcpu.vmcs12.get(F::virtual_processor_identifier) : 0)};
    const std::uint16_t vpid02{vpid02_for(vpid12)};
    if (vpid02 != vcpu.vpid02) {
        vcpu.vpid02 = vpid02;
        hw.write(F::virtual_processor_identifier, vpid02);
    }
    if (vpid02 == vpid_flushed) hw.invalidate(vmx::InvalidateVpid::single_context, vpid_flushed);
    if (!vcpu.l2_has_vpid) hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
}

// An L1 without VPID may clear dirty flags and go without INVEPT: its entry drops all combined mappings
// (29.4.3.1), and where these are gone a processor looks at the flag in memory again.
void forget_dirty_pages(Vcpu& vcpu) {
    const std::uint32_t secondary12{secondary_controls_in_force(vcpu.vmcs12.values())};
    const std::uint64_t eptp12{vcpu.vmcs12.get(F::ept_pointer)};
    const bool has_ept{(secondary12 & vmx::secondary::enable_ept) != 0};
    const bool has_vpid{(secondary12 & vmx::secondary::enable_vpid) != 0};
    if (has_ept && !has_vpid && eptp_accessed_dirty(eptp12)) vcpu.ept02->forget(vcpu.hardware, eptp12);
}

void update_vmcs02(Vcpu& vcpu, const L1State& l1) {
    auto& hw{vcpu.hardware};
    Vmcs12& vmcs12{vcpu.vmcs12};
    if (vcpu.vmcs02_owner != vmcs12.address()) {
        vmcs12.mark_dirty(vcpu.machine.offered_fields);
        vcpu.vmcs02_owner = vmcs12.address();
    }
    const vmcs::FieldSet dirty{vmcs12.dirty()};
    const vmcs::FieldSet direct{dirty & direct_fields};
    direct.for_each(
        [&](vmcs::FieldIndex field) { hw.write(vmcs::catalogue[field].encoding, vmcs12.get(field)); });
    if (any(dirty, combined_fields)) write_controls(vcpu);
    write_conditional_state(vcpu, l1);
    start_timer(vcpu);
    forget_dirty_pages(vcpu);
    // May drop the tables that the next line names.
    set_l2_bitmaps(vcpu, any(dirty, combined_fields));
    set_l2_ept(vcpu);
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
    if (vmcs12.get32(F::vm_entry_msr_load_count) != 0) needed |= msr_list_fields;
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

void enter(Vcpu& vcpu, bool launch) {
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
    const L1State l1{hw.read(F::guest_ia32_efer), hw.read(F::guest_ia32_debugctl), hw.read(F::guest_dr7)};
    shadow::collect_writes_for_entry(vcpu);
    fetch_for_entry(vcpu);
    const EntryContext context{make_context(vcpu, l1)};
    if (const InstructionError error{check(vcpu, context)}; error != InstructionError::none) {
        vcpu.shadow.settle(hw);
        hw.make_current(vcpu.vmcs01.region);
        return vm_fail(vcpu, error);
    }
    hw.make_current(vcpu.vmcs02.region);
    const auto& machine{vcpu.machine};
    const bool waits{enters_wait_for_sipi(vmcs12)};
    // The processor checks the guest state where it is entered, and MSRs are loaded after that (27.4).
    const bool checks_here{waits || vmcs12.get32(F::vm_entry_msr_load_count) != 0};
    if (checks_here) fetch_fields(vcpu, vmcs12.in_vmcs02());
    const bool passes{!checks_here ||
                      check_guest_state(vmcs12.values(), machine.offered_msrs, machine.processor, context)};
    if (!passes || !check_link_pointer(vmcs12.values(), machine.offered_msrs, machine.processor, context)) {
        // Another rule may be broken as well, and then it is the other that the processor would tell.
        fetch_fields(vcpu, vmcs12.in_vmcs02());
        const auto state{
            check_guest_state(vmcs12.values(), machine.offered_msrs, machine.processor, context)};
        vcpu.runs_l2 = true;
        finish_round_trip(vcpu);
        return deliver_exit_to_l1(
            vcpu, {true, reason_guest_state, static_cast<std::uint64_t>(state.error().qualification)});
    }
    update_vmcs02(vcpu, l1);
    std::uint64_t pdptes[4];
    const bool pdptes_loaded{load_pdptes(vcpu, pdptes)};
    switch_vpid(vcpu);
    vmcs12.clean();
    vcpu.runs_l2 = true;
    finish_round_trip(vcpu);
    if (!pdptes_loaded) {
        return deliver_exit_to_l1(vcpu, {true, reason_guest_state, refused_pdptes(vcpu, context, pdptes)});
    }
    if (const std::uint32_t count{vmcs12.get32(F::vm_entry_msr_load_count)}; count != 0) {
        const std::uint32_t bad{load_msr_list(vcpu, vmcs12.get(F::vm_entry_msr_load_address), count)};
        if (bad != 0) return deliver_exit_to_l1(vcpu, {true, reason_msr_loading, bad});
    }
    if (waits) wait_for_startup_of_l2(vcpu);
}

} // namespace

void rebuild_vmcs02(Vcpu& vcpu) {
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    vcpu.vmcs02_owner = no_vmcs12;
    update_vmcs02(vcpu, {});
    switch_vpid(vcpu);
    vcpu.vmcs12.clean();
}

void emulate_vmlaunch(Vcpu& vcpu) {
    enter(vcpu, true);
    if (vcpu.runs_l2 && !vcpu.machine.recognition.is_settled()) shadow::recognise_l1(vcpu);
}

void emulate_vmresume(Vcpu& vcpu) {
    enter(vcpu, false);
}

} // namespace shadowtune::nested
