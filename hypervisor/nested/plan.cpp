#include "hypervisor/nested/plan.hpp"

#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/nested/ept12.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/vpids.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

// 28.3: what an exit saves, by the exit controls of L1.
[[nodiscard]] vmcs::FieldSet saved_fields(std::uint32_t exit12) {
    vmcs::FieldSet saved{always_saved_fields};
    if ((exit12 & vmx::exit::save_debug_controls) != 0) {
        saved |= detail::set_of(F::guest_ia32_debugctl, F::guest_dr7);
    }
    if ((exit12 & vmx::exit::save_pat) != 0) saved.set(F::guest_ia32_pat);
    if ((exit12 & vmx::exit::save_efer) != 0) saved.set(F::guest_ia32_efer);
    if ((exit12 & vmx::exit::save_perf_global_ctrl) != 0) saved.set(F::guest_ia32_perf_global_ctrl);
    return saved;
}

} // namespace

Plan make_plan(const Vmcs12Values& vmcs12, const vmcs::FieldSet& offered) {
    const std::uint32_t pin12{vmcs12.get32(F::pin_based_controls)};
    const std::uint32_t primary12{vmcs12.get32(F::primary_processor_based_controls)};
    const std::uint32_t secondary12{secondary_controls_in_force(vmcs12)};
    const std::uint32_t exit12{vmcs12.get32(F::primary_vm_exit_controls)};
    const std::uint32_t entry12{vmcs12.get32(F::vm_entry_controls)};
    Plan plan{};
    plan.left_by_exit = (saved_fields(exit12) | exit_information_fields) & offered;
    plan.has_ept = (secondary12 & vmx::secondary::enable_ept) != 0;
    plan.has_vpid = (secondary12 & vmx::secondary::enable_vpid) != 0;
    plan.uses_msr_bitmap = (primary12 & vmx::primary::use_msr_bitmaps) != 0;
    plan.uses_io_bitmaps = (primary12 & vmx::primary::use_io_bitmaps) != 0;

    plan.reads_vtpr = needs_vtpr(vmcs12);
    plan.reads_link = vmcs12.get(F::vmcs_link_pointer) != ~std::uint64_t{0};
    plan.loads_msr_list = vmcs12.get32(F::vm_entry_msr_load_count) != 0;
    plan.loads_efer = (entry12 & vmx::entry::load_efer) != 0;
    plan.loads_debug_controls = (entry12 & vmx::entry::load_debug_controls) != 0;
    plan.loads_pat = (entry12 & vmx::entry::load_pat) != 0;
    plan.switches_pat = plan.loads_pat || (exit12 & vmx::exit::load_pat) != 0;
    plan.reloads_pat = plan.loads_pat && (exit12 & vmx::exit::save_pat) == 0;
    plan.starts_timer = (pin12 & vmx::pin::activate_preemption_timer) != 0;
    const auto vpid12{static_cast<std::uint16_t>(vmcs12.get(F::virtual_processor_identifier))};
    plan.flushes_vpid = !plan.has_vpid || vpid02_for(vpid12) == vpid_flushed;
    plan.forgets_dirty_pages =
        plan.has_ept && !plan.has_vpid && eptp_accessed_dirty(vmcs12.get(F::ept_pointer));

    plan.looks_beyond_vmcs12 = plan.reads_vtpr || plan.reads_link || plan.loads_msr_list || !plan.has_ept;

    plan.saves_timer = plan.starts_timer && (exit12 & vmx::exit::save_preemption_timer_value) != 0;
    plan.stores_msr_list = vmcs12.get32(F::vm_exit_msr_store_count) != 0;
    plan.loads_host_msr_list = vmcs12.get32(F::vm_exit_msr_load_count) != 0;
    plan.loads_host_efer = (exit12 & vmx::exit::load_efer) != 0;
    plan.has_virtual_nmis = (pin12 & vmx::pin::virtual_nmis) != 0;
    plan.exits_plainly = !plan.loads_msr_list && !plan.saves_timer && !plan.stores_msr_list &&
                         !plan.loads_host_msr_list && plan.loads_host_efer && plan.has_virtual_nmis &&
                         plan.has_vpid;
    return plan;
}

} // namespace shadowtune::nested
