#include "hypervisor/nested/entry_checks_common.hpp"
#include "hypervisor/nested/ept12.hpp"

// SDM Vol. 3C, section 27.2.1 "Checks on VMX Controls" (edition 325462-087).

namespace shadowtune::nested {

namespace {

using detail::Checked;
using detail::refuse;
using vmcs::Field;
namespace pin = vmx::pin;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;
namespace interruption = vmx::interruption;

// The first rule of 27.2.1.1 to 27.2.1.3: no bit that L1 was not offered, every bit that is forced.
[[nodiscard]] Check check_allowed_settings(const Checked& c) {
    if (!vmx::is_allowed(c.get32(Field::pin_based_controls), pin_capability(c.offered))) {
        return refuse(Field::pin_based_controls, "a reserved bit is not at its required setting");
    }
    if (!vmx::is_allowed(c.get32(Field::primary_processor_based_controls), primary_capability(c.offered))) {
        return refuse(Field::primary_processor_based_controls,
                      "a reserved bit is not at its required setting");
    }
    if (c.primary(primary::activate_secondary_controls) &&
        !vmx::is_allowed(c.get32(Field::secondary_processor_based_controls),
                         secondary_capability(c.offered))) {
        return refuse(Field::secondary_processor_based_controls,
                      "a reserved bit is not at its required setting");
    }
    if (!vmx::is_allowed(c.get32(Field::primary_vm_exit_controls), exit_capability(c.offered))) {
        return refuse(Field::primary_vm_exit_controls, "a reserved bit is not at its required setting");
    }
    if (!vmx::is_allowed(c.get32(Field::vm_entry_controls), entry_capability(c.offered))) {
        return refuse(Field::vm_entry_controls, "a reserved bit is not at its required setting");
    }
    return {};
}

[[nodiscard]] Check check_bitmaps(const Checked& c) {
    if (c.primary(primary::use_io_bitmaps)) {
        for (const Field field : {Field::io_bitmap_a, Field::io_bitmap_b}) {
            if (!c.is_page_address(c.get(field))) return refuse(field, "not the address of a page");
        }
    }
    if (c.primary(primary::use_msr_bitmaps) && !c.is_page_address(c.get(Field::msr_bitmap))) {
        return refuse(Field::msr_bitmap, "not the address of a page");
    }
    return {};
}

[[nodiscard]] Check check_shadowing(const Checked& c) {
    if (!c.secondary(secondary::vmcs_shadowing)) return {};
    for (const Field field : {Field::vmread_bitmap, Field::vmwrite_bitmap}) {
        if (!c.is_page_address(c.get(field))) return refuse(field, "not the address of a page");
    }
    return {};
}

[[nodiscard]] Check check_apic(const Checked& c) {
    const bool delivers{c.secondary(secondary::virtual_interrupt_delivery)};
    if (c.primary(primary::use_tpr_shadow)) {
        if (!c.is_page_address(c.get(Field::virtual_apic_address))) {
            return refuse(Field::virtual_apic_address, "not the address of a page");
        }
    } else if (c.secondary(secondary::virtualize_x2apic_mode | secondary::apic_register_virtualization |
                           secondary::virtual_interrupt_delivery)) {
        return refuse(Field::secondary_processor_based_controls, "virtualizes the APIC without a TPR shadow");
    }
    if (c.secondary(secondary::virtualize_apic_accesses)) {
        if (!c.is_page_address(c.get(Field::apic_access_address))) {
            return refuse(Field::apic_access_address, "not the address of a page");
        }
        if (c.secondary(secondary::virtualize_x2apic_mode)) {
            return refuse(Field::secondary_processor_based_controls,
                          "virtualizes both APIC accesses and x2APIC mode");
        }
    }
    if (delivers && !c.pin(pin::external_interrupt_exiting)) {
        return refuse(Field::pin_based_controls,
                      "virtual-interrupt delivery without external-interrupt exiting");
    }
    return {};
}

// Compared with L1's memory, which changes without a VMWRITE.
[[nodiscard]] Check check_threshold(const Checked& c) {
    if (!c.primary(primary::use_tpr_shadow)) return {};
    const std::uint32_t threshold{c.get32(Field::tpr_threshold)};
    if (!c.secondary(secondary::virtual_interrupt_delivery) && (threshold & ~0xFU) != 0) {
        return refuse(Field::tpr_threshold, "bits 31:4 are not 0");
    }
    if (needs_vtpr(c.vmcs12) && c.context.vtpr_known && (threshold & 0xFU) > (c.context.vtpr >> 4)) {
        return refuse(Field::tpr_threshold, "above bits 7:4 of VTPR");
    }
    return {};
}

[[nodiscard]] Check check_nmi_controls(const Checked& c) {
    if (!c.pin(pin::nmi_exiting) && c.pin(pin::virtual_nmis)) {
        return refuse(Field::pin_based_controls, "virtual NMIs without NMI exiting");
    }
    if (!c.pin(pin::virtual_nmis) && c.primary(primary::nmi_window_exiting)) {
        return refuse(Field::primary_processor_based_controls, "NMI-window exiting without virtual NMIs");
    }
    return {};
}

[[nodiscard]] Check check_translation(const Checked& c) {
    if (c.secondary(secondary::enable_vpid) && (c.get(Field::virtual_processor_identifier) & 0xFFFFU) == 0) {
        return refuse(Field::virtual_processor_identifier, "0 belongs to VMX root operation");
    }
    if (!c.secondary(secondary::enable_ept)) {
        if (c.secondary(secondary::unrestricted_guest)) {
            return refuse(Field::secondary_processor_based_controls, "unrestricted guest without EPT");
        }
        return {};
    }
    switch (check_eptp(c.get(Field::ept_pointer), c.offered[vmx::msr::vmx_ept_vpid_cap],
                       c.processor.physical_address_bits)) {
    case EptpError::ok: return {};
    case EptpError::memory_type: return refuse(Field::ept_pointer, "memory type not supported");
    case EptpError::walk_length: return refuse(Field::ept_pointer, "page-walk length not supported");
    case EptpError::accessed_dirty:
        return refuse(Field::ept_pointer, "accessed and dirty flags not supported");
    case EptpError::reserved_bits: break;
    }
    return refuse(Field::ept_pointer, "a reserved bit is set");
}

// EPTP switching, EPT-violation #VE, page-modification logging, TSC scaling: each with its own fields.
[[nodiscard]] Check check_extensions(const Checked& c) {
    const bool ept{c.secondary(secondary::enable_ept)};
    if (c.secondary(secondary::enable_vm_functions)) {
        const std::uint64_t functions{c.get(Field::vm_function_controls)};
        if ((functions & ~c.offered[vmx::msr::vmx_vmfunc]) != 0) {
            return refuse(Field::vm_function_controls, "a function that is not offered");
        }
        if ((functions & vmx::vm_function::eptp_switching) != 0) {
            if (!ept) return refuse(Field::vm_function_controls, "EPTP switching without EPT");
            if (!c.is_page_address(c.get(Field::eptp_list_address)))
                return refuse(Field::eptp_list_address, "not the address of a page");
        }
    }
    if (c.secondary(secondary::enable_pml)) {
        if (!ept) return refuse(Field::secondary_processor_based_controls, "PML without EPT");
        if (!c.is_page_address(c.get(Field::pml_address)))
            return refuse(Field::pml_address, "not the address of a page");
    }
    if (c.secondary(secondary::ept_violation_ve) &&
        !c.is_page_address(c.get(Field::virtualization_exception_address))) {
        return refuse(Field::virtualization_exception_address, "not the address of a page");
    }
    if (c.secondary(secondary::use_tsc_scaling) && c.get(Field::tsc_multiplier) == 0) {
        return refuse(Field::tsc_multiplier, "0");
    }
    return {};
}

// An MSR area: 16-byte aligned, first and last byte within the physical-address width; no count, no check.
[[nodiscard]] Check check_msr_area(const Checked& c, Field count_field, Field address_field) {
    const std::uint64_t count{c.get32(count_field)};
    if (count == 0) return {};
    const std::uint64_t address{c.get(address_field)};
    if ((address & 0xFU) != 0) return refuse(address_field, "not aligned to 16 bytes");
    if (!c.fits_physical(address) || !c.fits_physical(address + count * 16 - 1)) {
        return refuse(address_field, "beyond the physical-address width");
    }
    return {};
}

// Vectors that deliver an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC (27.2.1.3). Not #CP: without CET
// here.
[[nodiscard]] constexpr bool delivers_error_code(std::uint8_t vector) {
    constexpr std::uint32_t vectors{(1U << 8) | (1U << 10) | (1U << 11) | (1U << 12) | (1U << 13) |
                                    (1U << 14) | (1U << 17)};
    return vector < 32 && ((vectors >> vector) & 1U) != 0;
}

[[nodiscard]] Check check_error_code(const Checked& c, std::uint32_t information) {
    const bool deliver{interruption::has_error_code(information)};
    const bool is_exception{interruption::type(information) == vmx::EventType::hardware_exception};
    // Without "unrestricted guest" a guest is never in real mode, whatever its CR0 says: that is refused
    // later.
    const bool is_protected{!c.secondary(secondary::unrestricted_guest) ||
                            (c.get(Field::guest_cr0) & detail::cr0_pe) != 0};
    const bool any_vector{(c.offered[vmx::msr::vmx_basic] & vmx::basic::any_error_code) != 0};
    if (!is_exception || !is_protected) {
        if (deliver)
            return refuse(Field::vm_entry_interruption_information, "an error code that cannot be delivered");
    } else if (!any_vector && deliver != delivers_error_code(interruption::vector(information))) {
        return refuse(Field::vm_entry_interruption_information,
                      "the vector and the error-code bit do not agree");
    }
    if (deliver && (c.get32(Field::vm_entry_exception_error_code) >> 16) != 0) {
        return refuse(Field::vm_entry_exception_error_code, "bits 31:16 are not 0");
    }
    return {};
}

[[nodiscard]] Check check_event_injection(const Checked& c) {
    constexpr Field field{Field::vm_entry_interruption_information};
    const std::uint32_t information{c.get32(field)};
    if (!interruption::is_valid(information)) return {};
    const std::uint8_t vector{interruption::vector(information)};
    bool has_length{false};
    switch (interruption::type(information)) {
    case vmx::EventType::reserved: return refuse(field, "interruption type 1 is reserved");
    case vmx::EventType::external_interrupt: break;
    case vmx::EventType::nmi:
        if (vector != vmx::vector::nmi) return refuse(field, "an NMI with another vector than 2");
        break;
    case vmx::EventType::hardware_exception:
        if (vector > 31) return refuse(field, "a hardware exception with a vector above 31");
        break;
    case vmx::EventType::software_interrupt:
    case vmx::EventType::privileged_software_exception:
    case vmx::EventType::software_exception: has_length = true; break;
    case vmx::EventType::other_event:
        // Type 7 is reserved where the processor has no monitor trap flag.
        if ((vmx::may_be_one(primary_capability(c.offered)) & primary::monitor_trap_flag) == 0 ||
            vector != 0) {
            return refuse(field, "an event of type 7 other than a pending MTF VM exit");
        }
        break;
    }
    if ((information & interruption::entry_reserved) != 0) return refuse(field, "a reserved bit is set");
    if (const Check check{check_error_code(c, information)}; !check.ok()) return check;
    if (has_length) {
        const std::uint32_t length{c.get32(Field::vm_entry_instruction_length)};
        const bool zero_ok{(c.offered[vmx::msr::vmx_misc] & vmx::misc::inject_length_zero) != 0};
        if (length > 15 || (length == 0 && !zero_ok)) {
            return refuse(Field::vm_entry_instruction_length, "not an instruction's length");
        }
    }
    return {};
}

[[nodiscard]] Check check_counts(const Checked& c) {
    const std::uint64_t targets{(c.offered[vmx::msr::vmx_misc] >> vmx::misc::cr3_target_count_shift) &
                                vmx::misc::cr3_target_count_mask};
    if (c.get32(Field::cr3_target_count) > targets) {
        return refuse(Field::cr3_target_count, "more than IA32_VMX_MISC offers");
    }
    if (!c.pin(pin::activate_preemption_timer) && c.exit(vmx::exit::save_preemption_timer_value)) {
        return refuse(Field::primary_vm_exit_controls, "saves a preemption timer that is not active");
    }
    return {};
}

} // namespace

std::uint32_t secondary_controls_in_force(const Vmcs12Values& vmcs12) {
    const std::uint32_t first{vmcs12.get32(Field::primary_processor_based_controls)};
    const bool active{(first & primary::activate_secondary_controls) != 0};
    return active ? vmcs12.get32(Field::secondary_processor_based_controls) : 0;
}

bool needs_vtpr(const Vmcs12Values& vmcs12) {
    const bool shadows{(vmcs12.get32(Field::primary_processor_based_controls) & primary::use_tpr_shadow) !=
                       0};
    constexpr std::uint32_t excluding{secondary::virtualize_apic_accesses |
                                      secondary::virtual_interrupt_delivery};
    return shadows && (secondary_controls_in_force(vmcs12) & excluding) == 0;
}

Check check_controls(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                     const ProcessorFacts& processor, const EntryContext& context) {
    const Checked c{vmcs12, offered, processor, context};
    for (const auto check : {check_allowed_settings, check_counts, check_bitmaps, check_shadowing, check_apic,
                             check_threshold, check_nmi_controls, check_translation, check_extensions}) {
        if (const Check result{check(c)}; !result.ok()) return result;
    }
    struct Area {
        Field count;
        Field address;
    };
    constexpr Area areas[]{{Field::vm_exit_msr_store_count, Field::vm_exit_msr_store_address},
                           {Field::vm_exit_msr_load_count, Field::vm_exit_msr_load_address},
                           {Field::vm_entry_msr_load_count, Field::vm_entry_msr_load_address}};
    for (const Area& area : areas) {
        if (const Check result{check_msr_area(c, area.count, area.address)}; !result.ok()) return result;
    }
    return check_event_injection(c);
}

Check check_changed_controls(DirtyGroups changed, const Vmcs12Values& vmcs12,
                             const vmcs::CapabilityMsrs& offered, const ProcessorFacts& processor,
                             const EntryContext& context) {
    if ((changed & group::controls) != 0) return check_controls(vmcs12, offered, processor, context);
    const Checked c{vmcs12, offered, processor, context};
    if ((changed & group::tpr) != 0 || context.vtpr_known) {
        if (const Check result{check_threshold(c)}; !result.ok()) return result;
    }
    if ((changed & group::event) != 0) return check_event_injection(c);
    return {};
}

} // namespace shadowtune::nested
