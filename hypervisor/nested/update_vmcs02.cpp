// vmcs02 follows vmcs12: SDM Vol. 3C, 27.3.2 "Loading Guest State" and chapter 25 (edition 325462-087).

#include "hypervisor/nested/update_vmcs02.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/save.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"

namespace shadowtune::nested {

namespace {

// Secondary controls that vmcs02 never has: what they do L0 does, at the exits that come without them.
constexpr std::uint32_t emulated_by_l0{vmx::secondary::vmcs_shadowing | vmx::secondary::enable_pml |
                                       vmx::secondary::ept_violation_ve};

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
    // L2 keeps its own across the exits that L0 handles alone.
    if (vcpu.plan.switches_pat) exit |= vmx::exit::save_pat;
    // A VM-exit MSR-store area must still find L2's values (28.4 comes before 28.5): L0 loads L1's behind it.
    if (vmcs12.get32(F::vm_exit_msr_store_count) == 0) exit |= exit12 & loaded_by_exit;
    hw.write(F::primary_vm_exit_controls, vmx::adjust(exit, exit_capability(msrs)));

    const std::uint32_t entry{vmx::entry::load_debug_controls | vmx::entry::load_efer |
                              (vcpu.plan.switches_pat ? vmx::entry::load_pat : 0) |
                              (entry12 & (vmx::entry::ia32e_mode_guest | vmx::entry::load_perf_global_ctrl))};
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
template <F field>
[[gnu::always_inline]] inline void write_conditional(Vcpu& vcpu, bool loads, std::uint64_t otherwise) {
    const bool is_there{vcpu.vmcs12.in_vmcs02().test(field)};
    if (loads && is_there) return;
    if (is_there) fetch_fields(vcpu, detail::set_of(field));
    vcpu.hardware.write(field, loads ? vcpu.vmcs12.get(field) : otherwise);
}

// After the direct fields: CR0 in vmcs02 is L2's then.
void write_conditional_state(Vcpu& vcpu, const L1State& l1, bool controls_changed) {
    const Plan& plan{vcpu.plan};
    const auto not_loaded{[&] {
        return efer_not_loaded(vcpu.vmcs12.get32(F::vm_entry_controls), vcpu.hardware.read(F::guest_cr0),
                               l1.efer);
    }};
    write_conditional<F::guest_ia32_efer>(vcpu, plan.loads_efer, plan.loads_efer ? 0 : not_loaded());
    write_conditional<F::guest_ia32_debugctl>(vcpu, plan.loads_debug_controls, l1.debugctl);
    write_conditional<F::guest_dr7>(vcpu, plan.loads_debug_controls, l1.dr7);
    if (plan.reloads_pat && !vcpu.vmcs12.in_vmcs02().test(F::guest_ia32_pat)) {
        vcpu.hardware.write(F::guest_ia32_pat, vcpu.vmcs12.get(F::guest_ia32_pat));
    } else if (plan.switches_pat && (controls_changed || !plan.loads_pat)) [[unlikely]] {
        write_conditional<F::guest_ia32_pat>(vcpu, plan.loads_pat,
                                             plan.loads_pat ? 0 : cpu::rdmsr(cpu::msr::pat));
    }
}

void write_direct(Vcpu& vcpu) {
    vmcs::FieldSet::for_each_in_both(vcpu.vmcs12.dirty(), direct_fields, [&](vmcs::FieldIndex field) {
        vcpu.hardware.write(vmcs::catalogue[field].encoding, vcpu.vmcs12.get(field));
    });
}

void start_timer(Vcpu& vcpu) {
    const auto rate{static_cast<unsigned>(vcpu.machine.hardware_msrs[vmx::msr::vmx_misc] &
                                          vmx::misc::preemption_timer_rate_mask)};
    vcpu.timer.start(cpu::rdtsc(), rate, vcpu.vmcs12.get32(F::vmx_preemption_timer_value));
}

// Without VPID both entry and exit flush L1's translations, too: L1 and L2 share VPID 0 (29.4.3.1).
void switch_vpid(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const Plan& plan{vcpu.plan};
    const auto vpid12{
        static_cast<std::uint16_t>(plan.has_vpid ? vcpu.vmcs12.get(F::virtual_processor_identifier) : 0)};
    const std::uint16_t vpid02{vpid02_for(vpid12)};
    if (vpid02 != vcpu.vpid02) {
        vcpu.vpid02 = vpid02;
        hw.write(F::virtual_processor_identifier, vpid02);
    }
    if (plan.flushes_vpid) hw.invalidate(vmx::InvalidateVpid::single_context, vpid_flushed);
    if (!plan.has_vpid) hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
}

} // namespace

void make_plan(Vcpu& vcpu) {
    const Plan plan{make_plan(vcpu.vmcs12.values(), vcpu.machine.offered_fields)};
    if (plan.left_by_exit != vcpu.plan.left_by_exit) vcpu.delivery.forget_plan();
    vcpu.plan = plan;
}

void update_vmcs02(Vcpu& vcpu, const L1State& l1) {
    const DirtyGroups changed{vcpu.vmcs12.dirty_groups()};
    const bool controls_changed{(changed & group::controls) != 0};
    const Plan& plan{vcpu.plan};
    if ((changed & group::direct) != 0) write_direct(vcpu);
    if (controls_changed) {
        write_controls(vcpu);
        vcpu.timer.stop();
    }
    write_conditional_state(vcpu, l1, controls_changed);
    if (plan.starts_timer) start_timer(vcpu);
    // An L1 without VPID may clear dirty flags and go without INVEPT: its entry drops all combined mappings
    // (29.4.3.1), and where these are gone a processor looks at the flag in memory again.
    if (plan.forgets_dirty_pages) vcpu.ept02->forget(vcpu.hardware, vcpu.vmcs12.get(F::ept_pointer));
    // May drop the tables that the next line names.
    if (controls_changed || !l2_bitmaps_stay(vcpu)) [[unlikely]]
        set_l2_bitmaps(vcpu, controls_changed);
    if (controls_changed || vcpu.ept02_drops != vcpu.ept02->drops()) set_l2_ept(vcpu);
    if (controls_changed || plan.flushes_vpid) switch_vpid(vcpu);
}

void rebuild_vmcs02(Vcpu& vcpu) {
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    vcpu.vmcs02_owner = no_vmcs12;
    claim_vmcs02(vcpu);
    update_plan(vcpu);
    update_host_image(vcpu);
    update_vmcs02(vcpu, {});
    vcpu.vmcs12.clean();
}

} // namespace shadowtune::nested
