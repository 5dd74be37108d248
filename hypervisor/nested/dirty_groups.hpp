#pragma once

// What an entry of L2 has to do again because L1 has changed a field of vmcs12: one bit for each piece of
// work, so that an entry asks one word what is to be done, and not each set of fields.

#include "hypervisor/nested/field_classes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

using DirtyGroups = std::uint8_t;

namespace group {
inline constexpr DirtyGroups direct{1U << 0};   // is written to vmcs02 as it is
inline constexpr DirtyGroups controls{1U << 1}; // 27.2.1.1 and 27.2.1.2; what vmcs02 and L0 make of them
inline constexpr DirtyGroups event{1U << 2};    // 27.2.1.3: event injection
inline constexpr DirtyGroups tpr{1U << 3};      // 27.2.1.1: the TPR threshold
inline constexpr DirtyGroups host{1U << 4};     // 27.2.2 to 27.2.4; what an exit loads
inline constexpr DirtyGroups all{direct | controls | event | tpr | host};
} // namespace group

namespace detail {

// Controls that no rule of 27.2.1 looks at and that vmcs02 has as they are: not worth checking all the
// others.
inline constexpr vmcs::FieldSet free_controls{
    set_of(F::exception_bitmap, F::page_fault_error_code_mask, F::page_fault_error_code_match,
           F::cr0_guest_host_mask, F::cr4_guest_host_mask, F::cr0_read_shadow, F::cr4_read_shadow,
           F::cr3_target_value_0, F::cr3_target_value_1, F::cr3_target_value_2, F::cr3_target_value_3,
           F::tsc_offset, F::eoi_exit_bitmap_0, F::eoi_exit_bitmap_1, F::eoi_exit_bitmap_2,
           F::eoi_exit_bitmap_3, F::ple_gap, F::ple_window, F::xss_exiting_bitmap)};
// The error code's rule looks at CR0.PE.
inline constexpr vmcs::FieldSet event_injection_fields{event_fields | set_of(F::guest_cr0)};
inline constexpr vmcs::FieldSet group_controls{
    (control_fields - free_controls - event_fields - set_of(F::tpr_threshold)) | combined_fields |
    set_of(F::vmcs_link_pointer)};
// No rule looks at RSP, and an exit takes it from vmcs12.
inline constexpr vmcs::FieldSet group_host{(host_fields - set_of(F::host_rsp)) |
                                           set_of(F::primary_vm_exit_controls, F::vm_entry_controls)};

[[nodiscard]] constexpr auto groups_by_field() {
    std::array<DirtyGroups, vmcs::field_count> groups{};
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        const auto in{[&](const vmcs::FieldSet& set, DirtyGroups bit) {
            return set.test(field) ? bit : DirtyGroups{0};
        }};
        groups[field] =
            static_cast<DirtyGroups>(in(direct_fields, group::direct) | in(group_controls, group::controls) |
                                     in(event_injection_fields, group::event) |
                                     in(set_of(F::tpr_threshold), group::tpr) | in(group_host, group::host));
    }
    return groups;
}

} // namespace detail

inline constexpr auto dirty_groups_of{detail::groups_by_field()};

} // namespace shadowtune::nested
