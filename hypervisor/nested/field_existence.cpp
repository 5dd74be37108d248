#include "hypervisor/nested/capabilities.hpp"

// The footnotes of Vol. 3D, Appendix B: which control's 1-setting makes a field exist.

namespace shadowtune::nested {

namespace {

namespace entry = vmx::entry;
namespace exit = vmx::exit;
namespace pin = vmx::pin;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;
namespace tertiary = vmx::tertiary;
using vmcs::Capability;

[[nodiscard]] bool any_of(std::uint64_t capability, std::uint32_t controls) {
    return (vmx::may_be_one(capability) & controls) != 0;
}

// IA32_VMX_PROCBASED_CTLS3 is the plain mask of what may be 1; there is none without the control that
// activates it.
[[nodiscard]] bool has_tertiary(const vmcs::CapabilityMsrs& msrs, std::uint64_t controls) {
    return any_of(primary_capability(msrs), primary::activate_tertiary_controls) &&
           (msrs[vmx::msr::vmx_tertiary] & controls) != 0;
}

// State that VM entry loads into the guest, VM exit saves or clears, and VM exit loads for the host: a guest
// field exists with any of the first two, a host field with the last.
struct StateControls {
    std::uint32_t guest_entry;
    std::uint32_t guest_exit;
    std::uint32_t host_exit;
};

[[nodiscard]] bool has_state(const vmcs::CapabilityMsrs& msrs, vmcs::Type type,
                             const StateControls& controls) {
    if (type == vmcs::Type::host_state) return any_of(exit_capability(msrs), controls.host_exit);
    return any_of(entry_capability(msrs), controls.guest_entry) ||
           any_of(exit_capability(msrs), controls.guest_exit);
}

[[nodiscard]] bool has_state_capability(Capability capability, vmcs::Type type,
                                        const vmcs::CapabilityMsrs& msrs) {
    switch (capability) {
    case Capability::load_pat:
        return has_state(msrs, type, {entry::load_pat, exit::save_pat, exit::load_pat});
    case Capability::load_efer:
        return has_state(msrs, type, {entry::load_efer, exit::save_efer, exit::load_efer});
    case Capability::load_perf_global_ctrl:
        return has_state(
            msrs, type,
            {entry::load_perf_global_ctrl, exit::save_perf_global_ctrl, exit::load_perf_global_ctrl});
    case Capability::bndcfgs: return has_state(msrs, type, {entry::load_bndcfgs, exit::clear_bndcfgs, 0});
    case Capability::processor_trace:
        return has_state(msrs, type, {entry::load_rtit_ctl, exit::clear_rtit_ctl, 0});
    case Capability::lbr: return has_state(msrs, type, {entry::load_lbr_ctl, exit::clear_lbr_ctl, 0});
    case Capability::user_interrupts: return has_state(msrs, type, {entry::load_uinv, exit::clear_uinv, 0});
    case Capability::cet: return has_state(msrs, type, {entry::load_cet_state, 0, exit::load_cet_state});
    case Capability::pkrs: return has_state(msrs, type, {entry::load_pkrs, 0, exit::load_pkrs});
    case Capability::fred:
        return any_of(entry_capability(msrs), entry::load_fred) ||
               (any_of(exit_capability(msrs), exit::activate_secondary_controls) &&
                msrs[vmx::msr::vmx_exit2] != 0);
    default: return false;
    }
}

[[nodiscard]] bool has_capability(Capability capability, vmcs::Type type, const vmcs::CapabilityMsrs& msrs) {
    const std::uint64_t first{primary_capability(msrs)};
    const std::uint64_t second{secondary_capability(msrs)};
    switch (capability) {
    case Capability::always: return true;
    case Capability::io_bitmaps: return any_of(first, primary::use_io_bitmaps);
    case Capability::msr_bitmaps: return any_of(first, primary::use_msr_bitmaps);
    case Capability::tpr_shadow: return any_of(first, primary::use_tpr_shadow);
    case Capability::secondary_controls: return any_of(first, primary::activate_secondary_controls);
    case Capability::tertiary_controls: return any_of(first, primary::activate_tertiary_controls);
    case Capability::preemption_timer: return any_of(pin_capability(msrs), pin::activate_preemption_timer);
    case Capability::posted_interrupts: return any_of(pin_capability(msrs), pin::process_posted_interrupts);
    case Capability::secondary_vm_exit_controls:
        return any_of(exit_capability(msrs), exit::activate_secondary_controls);
    case Capability::virtualize_apic_accesses: return any_of(second, secondary::virtualize_apic_accesses);
    case Capability::ept: return any_of(second, secondary::enable_ept);
    case Capability::vpid: return any_of(second, secondary::enable_vpid);
    case Capability::virtual_interrupt_delivery: return any_of(second, secondary::virtual_interrupt_delivery);
    case Capability::pause_loop_exiting: return any_of(second, secondary::pause_loop_exiting);
    case Capability::vm_functions: return any_of(second, secondary::enable_vm_functions);
    // VM function 0, EPTP switching, has its own bit in IA32_VMX_VMFUNC (A.11).
    case Capability::eptp_switching:
        return any_of(second, secondary::enable_vm_functions) && (msrs[vmx::msr::vmx_vmfunc] & 1U) != 0;
    case Capability::vmcs_shadowing: return any_of(second, secondary::vmcs_shadowing);
    case Capability::encls_exiting: return any_of(second, secondary::enable_encls_exiting);
    case Capability::page_modification_logging: return any_of(second, secondary::enable_pml);
    case Capability::ept_violation_ve: return any_of(second, secondary::ept_violation_ve);
    case Capability::xsaves: return any_of(second, secondary::enable_xsaves_xrstors);
    case Capability::pasid_translation: return any_of(second, secondary::pasid_translation);
    case Capability::sub_page_permissions: return any_of(second, secondary::sub_page_write_permissions);
    case Capability::tsc_scaling: return any_of(second, secondary::use_tsc_scaling);
    case Capability::pconfig: return any_of(second, secondary::enable_pconfig);
    case Capability::enclv_exiting: return any_of(second, secondary::enable_enclv_exiting);
    case Capability::instruction_timeout: return any_of(second, secondary::instruction_timeout);
    case Capability::hlat: return has_tertiary(msrs, tertiary::enable_hlat);
    case Capability::ipi_virtualization: return has_tertiary(msrs, tertiary::ipi_virtualization);
    case Capability::msrlist: return has_tertiary(msrs, tertiary::enable_msr_list_instructions);
    case Capability::spec_ctrl_virtualization: return has_tertiary(msrs, tertiary::virtualize_spec_ctrl);
    case Capability::apic_timer_virtualization:
        return has_tertiary(msrs, tertiary::apic_timer_virtualization);
    // SEAM is the TDX module's own mode, which no capability MSR of VMX announces.
    case Capability::seam: return false;
    default: return has_state_capability(capability, type, msrs);
    }
}

} // namespace

bool has_field(const vmcs::FieldInfo& field, const vmcs::CapabilityMsrs& msrs) {
    // CR3-target values exist up to the number that IA32_VMX_MISC reports (Table B-12).
    constexpr unsigned first_target{vmcs::index_of(vmcs::encoding_of(vmcs::Field::cr3_target_value_0))};
    constexpr vmcs::Encoding first{vmcs::encoding_of(vmcs::Field::cr3_target_value_0)};
    constexpr vmcs::Encoding last{vmcs::encoding_of(vmcs::Field::cr3_target_value_3)};
    if (field.encoding >= first && field.encoding <= last) {
        const std::uint64_t count{(msrs[vmx::msr::vmx_misc] >> vmx::misc::cr3_target_count_shift) &
                                  vmx::misc::cr3_target_count_mask};
        return vmcs::index_of(field.encoding) - first_target < count;
    }
    return has_capability(field.capability, field.type, msrs);
}

} // namespace shadowtune::nested
