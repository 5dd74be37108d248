#pragma once

// How each field of vmcs12 takes part in a round trip. One constexpr set for each way; the SDM says who saves
// what (Vol. 3C, 28.3 "Saving Guest State") and what an entry loads (27.3.2).

#include "hypervisor/nested/vmcs12_values.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "vmcs/catalogue.hpp"
#include "vmcs/field_set.hpp"

namespace shadowtune::nested {

namespace detail {

[[nodiscard]] constexpr vmcs::FieldSet of_type(vmcs::Type type) {
    vmcs::FieldSet set{};
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        if (vmcs::catalogue[i].type == type) set.set(static_cast<vmcs::FieldIndex>(i));
    }
    return set;
}

template <typename... Fields>
[[nodiscard]] constexpr vmcs::FieldSet set_of(Fields... fields) {
    vmcs::FieldSet set{};
    (set.set(fields), ...);
    return set;
}

} // namespace detail

// Guest state whose place in vmcs02 depends on a control, or that vmcs02 has otherwise or not at all.
inline constexpr vmcs::FieldSet conditional_guest_fields{
    detail::set_of(F::vmcs_link_pointer, F::guest_ia32_debugctl, F::guest_ia32_efer, F::guest_dr7,
                   F::vmx_preemption_timer_value, F::pml_index)};

// Written to vmcs02 as they are.
inline constexpr vmcs::FieldSet direct_fields{
    (detail::of_type(vmcs::Type::guest_state) - conditional_guest_fields) |
    detail::set_of(F::exception_bitmap, F::page_fault_error_code_mask, F::page_fault_error_code_match,
                   F::cr3_target_count, F::cr3_target_value_0, F::cr3_target_value_1, F::cr3_target_value_2,
                   F::cr3_target_value_3, F::cr0_guest_host_mask, F::cr4_guest_host_mask, F::cr0_read_shadow,
                   F::cr4_read_shadow, F::tpr_threshold, F::tsc_offset, F::tsc_multiplier,
                   F::eoi_exit_bitmap_0, F::eoi_exit_bitmap_1, F::eoi_exit_bitmap_2, F::eoi_exit_bitmap_3,
                   F::ple_gap, F::ple_window, F::xss_exiting_bitmap, F::vm_entry_interruption_information,
                   F::vm_entry_exception_error_code, F::vm_entry_instruction_length, F::host_ia32_pat,
                   F::host_ia32_perf_global_ctrl)};

// Control words that vmcs02 has in combination with L0's own, and the addresses that go with them.
inline constexpr vmcs::FieldSet combined_fields{detail::set_of(
    F::pin_based_controls, F::primary_processor_based_controls, F::secondary_processor_based_controls,
    F::primary_vm_exit_controls, F::vm_entry_controls, F::virtual_apic_address, F::apic_access_address,
    F::virtual_processor_identifier, F::ept_pointer, F::io_bitmap_a, F::io_bitmap_b, F::msr_bitmap,
    F::vm_exit_msr_store_count)};

// What check_controls looks at, and what check_host_state looks at.
inline constexpr vmcs::FieldSet control_fields{detail::of_type(vmcs::Type::control)};
inline constexpr vmcs::FieldSet host_fields{detail::of_type(vmcs::Type::host_state)};

// MSRs of L1's host state that vmcs02's exits load with L1's own values: L0 does not mind them.
inline constexpr std::uint32_t loaded_by_exit{vmx::exit::load_pat | vmx::exit::load_perf_global_ctrl};

// Saved by every VM exit; the conditional ones are added by the exit controls.
inline constexpr vmcs::FieldSet always_saved_fields{
    detail::of_type(vmcs::Type::guest_state) - conditional_guest_fields -
    detail::set_of(F::guest_ia32_pat, F::guest_ia32_perf_global_ctrl, F::guest_smbase)};

// Guest state in vmcs02 that a VM-entry MSR-load area may change.
inline constexpr vmcs::FieldSet msr_list_fields{detail::set_of(
    F::guest_ia32_efer, F::guest_ia32_debugctl, F::guest_ia32_sysenter_cs, F::guest_ia32_sysenter_esp,
    F::guest_ia32_sysenter_eip, F::guest_ia32_pat, F::guest_ia32_perf_global_ctrl)};

// The exit's description; VM-instruction error is no part of it.
inline constexpr vmcs::FieldSet exit_information_fields{detail::of_type(vmcs::Type::read_only_data) -
                                                        detail::set_of(F::vm_instruction_error)};

// What a saved state takes from L0's own VMCSs, as far as the processor has the field. The link pointer and
// the timer's value are L0's.
inline constexpr vmcs::FieldSet event_fields{detail::set_of(
    F::vm_entry_interruption_information, F::vm_entry_exception_error_code, F::vm_entry_instruction_length)};
inline constexpr vmcs::FieldSet own_guest_fields{
    detail::of_type(vmcs::Type::guest_state) -
    detail::set_of(F::vmcs_link_pointer, F::vmx_preemption_timer_value)};
// From vmcs01: L1's registers, its view of CR0 and CR4, an event that L0 is about to deliver.
inline constexpr vmcs::FieldSet saved_vmcs01_fields{own_guest_fields | event_fields |
                                                    detail::set_of(F::cr0_read_shadow, F::cr4_read_shadow)};
// From vmcs02 while L2 runs: L2's registers, the event, and its last exit, which L1 may not have looked at.
inline constexpr vmcs::FieldSet saved_vmcs02_fields{own_guest_fields | event_fields |
                                                    exit_information_fields};

} // namespace shadowtune::nested
