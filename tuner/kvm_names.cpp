#include "tuner/kvm_names.hpp"

#include <algorithm>
#include <array>

namespace shadowtune::tuner {

namespace {

using vmcs::Field;

// In the catalogue's order.
// clang-format off: a table.
constexpr std::array names{
    KvmName{Field::virtual_processor_identifier, "VIRTUAL_PROCESSOR_ID"},
    KvmName{Field::posted_interrupt_notification_vector, "POSTED_INTR_NV"},
    KvmName{Field::guest_es_selector, "GUEST_ES_SELECTOR"},
    KvmName{Field::guest_cs_selector, "GUEST_CS_SELECTOR"},
    KvmName{Field::guest_ss_selector, "GUEST_SS_SELECTOR"},
    KvmName{Field::guest_ds_selector, "GUEST_DS_SELECTOR"},
    KvmName{Field::guest_fs_selector, "GUEST_FS_SELECTOR"},
    KvmName{Field::guest_gs_selector, "GUEST_GS_SELECTOR"},
    KvmName{Field::guest_ldtr_selector, "GUEST_LDTR_SELECTOR"},
    KvmName{Field::guest_tr_selector, "GUEST_TR_SELECTOR"},
    KvmName{Field::guest_interrupt_status, "GUEST_INTR_STATUS"},
    KvmName{Field::pml_index, "GUEST_PML_INDEX"},
    KvmName{Field::host_es_selector, "HOST_ES_SELECTOR"},
    KvmName{Field::host_cs_selector, "HOST_CS_SELECTOR"},
    KvmName{Field::host_ss_selector, "HOST_SS_SELECTOR"},
    KvmName{Field::host_ds_selector, "HOST_DS_SELECTOR"},
    KvmName{Field::host_fs_selector, "HOST_FS_SELECTOR"},
    KvmName{Field::host_gs_selector, "HOST_GS_SELECTOR"},
    KvmName{Field::host_tr_selector, "HOST_TR_SELECTOR"},
    KvmName{Field::io_bitmap_a, "IO_BITMAP_A"},
    KvmName{Field::io_bitmap_b, "IO_BITMAP_B"},
    KvmName{Field::msr_bitmap, "MSR_BITMAP"},
    KvmName{Field::vm_exit_msr_store_address, "VM_EXIT_MSR_STORE_ADDR"},
    KvmName{Field::vm_exit_msr_load_address, "VM_EXIT_MSR_LOAD_ADDR"},
    KvmName{Field::vm_entry_msr_load_address, "VM_ENTRY_MSR_LOAD_ADDR"},
    KvmName{Field::pml_address, "PML_ADDRESS"},
    KvmName{Field::tsc_offset, "TSC_OFFSET"},
    KvmName{Field::virtual_apic_address, "VIRTUAL_APIC_PAGE_ADDR"},
    KvmName{Field::apic_access_address, "APIC_ACCESS_ADDR"},
    KvmName{Field::posted_interrupt_descriptor_address, "POSTED_INTR_DESC_ADDR"},
    KvmName{Field::vm_function_controls, "VM_FUNCTION_CONTROL"},
    KvmName{Field::ept_pointer, "EPT_POINTER"},
    KvmName{Field::eoi_exit_bitmap_0, "EOI_EXIT_BITMAP0"},
    KvmName{Field::eoi_exit_bitmap_1, "EOI_EXIT_BITMAP1"},
    KvmName{Field::eoi_exit_bitmap_2, "EOI_EXIT_BITMAP2"},
    KvmName{Field::eoi_exit_bitmap_3, "EOI_EXIT_BITMAP3"},
    KvmName{Field::eptp_list_address, "EPTP_LIST_ADDRESS"},
    KvmName{Field::vmread_bitmap, "VMREAD_BITMAP"},
    KvmName{Field::vmwrite_bitmap, "VMWRITE_BITMAP"},
    KvmName{Field::xss_exiting_bitmap, "XSS_EXIT_BITMAP"},
    KvmName{Field::encls_exiting_bitmap, "ENCLS_EXITING_BITMAP"},
    KvmName{Field::tsc_multiplier, "TSC_MULTIPLIER"},
    KvmName{Field::guest_physical_address, "GUEST_PHYSICAL_ADDRESS"},
    KvmName{Field::vmcs_link_pointer, "VMCS_LINK_POINTER"},
    KvmName{Field::guest_ia32_debugctl, "GUEST_IA32_DEBUGCTL"},
    KvmName{Field::guest_ia32_pat, "GUEST_IA32_PAT"},
    KvmName{Field::guest_ia32_efer, "GUEST_IA32_EFER"},
    KvmName{Field::guest_ia32_perf_global_ctrl, "GUEST_IA32_PERF_GLOBAL_CTRL"},
    KvmName{Field::guest_pdpte_0, "GUEST_PDPTR0"},
    KvmName{Field::guest_pdpte_1, "GUEST_PDPTR1"},
    KvmName{Field::guest_pdpte_2, "GUEST_PDPTR2"},
    KvmName{Field::guest_pdpte_3, "GUEST_PDPTR3"},
    KvmName{Field::guest_ia32_bndcfgs, "GUEST_BNDCFGS"},
    KvmName{Field::host_ia32_pat, "HOST_IA32_PAT"},
    KvmName{Field::host_ia32_efer, "HOST_IA32_EFER"},
    KvmName{Field::host_ia32_perf_global_ctrl, "HOST_IA32_PERF_GLOBAL_CTRL"},
    KvmName{Field::pin_based_controls, "PIN_BASED_VM_EXEC_CONTROL"},
    KvmName{Field::primary_processor_based_controls, "CPU_BASED_VM_EXEC_CONTROL"},
    KvmName{Field::exception_bitmap, "EXCEPTION_BITMAP"},
    KvmName{Field::page_fault_error_code_mask, "PAGE_FAULT_ERROR_CODE_MASK"},
    KvmName{Field::page_fault_error_code_match, "PAGE_FAULT_ERROR_CODE_MATCH"},
    KvmName{Field::cr3_target_count, "CR3_TARGET_COUNT"},
    KvmName{Field::primary_vm_exit_controls, "VM_EXIT_CONTROLS"},
    KvmName{Field::vm_exit_msr_store_count, "VM_EXIT_MSR_STORE_COUNT"},
    KvmName{Field::vm_exit_msr_load_count, "VM_EXIT_MSR_LOAD_COUNT"},
    KvmName{Field::vm_entry_controls, "VM_ENTRY_CONTROLS"},
    KvmName{Field::vm_entry_msr_load_count, "VM_ENTRY_MSR_LOAD_COUNT"},
    KvmName{Field::vm_entry_interruption_information, "VM_ENTRY_INTR_INFO_FIELD"},
    KvmName{Field::vm_entry_exception_error_code, "VM_ENTRY_EXCEPTION_ERROR_CODE"},
    KvmName{Field::vm_entry_instruction_length, "VM_ENTRY_INSTRUCTION_LEN"},
    KvmName{Field::tpr_threshold, "TPR_THRESHOLD"},
    KvmName{Field::secondary_processor_based_controls, "SECONDARY_VM_EXEC_CONTROL"},
    KvmName{Field::vm_instruction_error, "VM_INSTRUCTION_ERROR"},
    KvmName{Field::exit_reason, "VM_EXIT_REASON"},
    KvmName{Field::vm_exit_interruption_information, "VM_EXIT_INTR_INFO"},
    KvmName{Field::vm_exit_interruption_error_code, "VM_EXIT_INTR_ERROR_CODE"},
    KvmName{Field::idt_vectoring_information, "IDT_VECTORING_INFO_FIELD"},
    KvmName{Field::idt_vectoring_error_code, "IDT_VECTORING_ERROR_CODE"},
    KvmName{Field::vm_exit_instruction_length, "VM_EXIT_INSTRUCTION_LEN"},
    KvmName{Field::vm_exit_instruction_information, "VMX_INSTRUCTION_INFO"},
    KvmName{Field::guest_es_limit, "GUEST_ES_LIMIT"},
    KvmName{Field::guest_cs_limit, "GUEST_CS_LIMIT"},
    KvmName{Field::guest_ss_limit, "GUEST_SS_LIMIT"},
    KvmName{Field::guest_ds_limit, "GUEST_DS_LIMIT"},
    KvmName{Field::guest_fs_limit, "GUEST_FS_LIMIT"},
    KvmName{Field::guest_gs_limit, "GUEST_GS_LIMIT"},
    KvmName{Field::guest_ldtr_limit, "GUEST_LDTR_LIMIT"},
    KvmName{Field::guest_tr_limit, "GUEST_TR_LIMIT"},
    KvmName{Field::guest_gdtr_limit, "GUEST_GDTR_LIMIT"},
    KvmName{Field::guest_idtr_limit, "GUEST_IDTR_LIMIT"},
    KvmName{Field::guest_es_access_rights, "GUEST_ES_AR_BYTES"},
    KvmName{Field::guest_cs_access_rights, "GUEST_CS_AR_BYTES"},
    KvmName{Field::guest_ss_access_rights, "GUEST_SS_AR_BYTES"},
    KvmName{Field::guest_ds_access_rights, "GUEST_DS_AR_BYTES"},
    KvmName{Field::guest_fs_access_rights, "GUEST_FS_AR_BYTES"},
    KvmName{Field::guest_gs_access_rights, "GUEST_GS_AR_BYTES"},
    KvmName{Field::guest_ldtr_access_rights, "GUEST_LDTR_AR_BYTES"},
    KvmName{Field::guest_tr_access_rights, "GUEST_TR_AR_BYTES"},
    KvmName{Field::guest_interruptibility_state, "GUEST_INTERRUPTIBILITY_INFO"},
    KvmName{Field::guest_activity_state, "GUEST_ACTIVITY_STATE"},
    KvmName{Field::guest_ia32_sysenter_cs, "GUEST_SYSENTER_CS"},
    KvmName{Field::vmx_preemption_timer_value, "VMX_PREEMPTION_TIMER_VALUE"},
    KvmName{Field::host_ia32_sysenter_cs, "HOST_IA32_SYSENTER_CS"},
    KvmName{Field::cr0_guest_host_mask, "CR0_GUEST_HOST_MASK"},
    KvmName{Field::cr4_guest_host_mask, "CR4_GUEST_HOST_MASK"},
    KvmName{Field::cr0_read_shadow, "CR0_READ_SHADOW"},
    KvmName{Field::cr4_read_shadow, "CR4_READ_SHADOW"},
    KvmName{Field::exit_qualification, "EXIT_QUALIFICATION"},
    KvmName{Field::guest_linear_address, "GUEST_LINEAR_ADDRESS"},
    KvmName{Field::guest_cr0, "GUEST_CR0"},
    KvmName{Field::guest_cr3, "GUEST_CR3"},
    KvmName{Field::guest_cr4, "GUEST_CR4"},
    KvmName{Field::guest_es_base, "GUEST_ES_BASE"},
    KvmName{Field::guest_cs_base, "GUEST_CS_BASE"},
    KvmName{Field::guest_ss_base, "GUEST_SS_BASE"},
    KvmName{Field::guest_ds_base, "GUEST_DS_BASE"},
    KvmName{Field::guest_fs_base, "GUEST_FS_BASE"},
    KvmName{Field::guest_gs_base, "GUEST_GS_BASE"},
    KvmName{Field::guest_ldtr_base, "GUEST_LDTR_BASE"},
    KvmName{Field::guest_tr_base, "GUEST_TR_BASE"},
    KvmName{Field::guest_gdtr_base, "GUEST_GDTR_BASE"},
    KvmName{Field::guest_idtr_base, "GUEST_IDTR_BASE"},
    KvmName{Field::guest_dr7, "GUEST_DR7"},
    KvmName{Field::guest_rsp, "GUEST_RSP"},
    KvmName{Field::guest_rip, "GUEST_RIP"},
    KvmName{Field::guest_rflags, "GUEST_RFLAGS"},
    KvmName{Field::guest_pending_debug_exceptions, "GUEST_PENDING_DBG_EXCEPTIONS"},
    KvmName{Field::guest_ia32_sysenter_esp, "GUEST_SYSENTER_ESP"},
    KvmName{Field::guest_ia32_sysenter_eip, "GUEST_SYSENTER_EIP"},
    KvmName{Field::host_cr0, "HOST_CR0"},
    KvmName{Field::host_cr3, "HOST_CR3"},
    KvmName{Field::host_cr4, "HOST_CR4"},
    KvmName{Field::host_fs_base, "HOST_FS_BASE"},
    KvmName{Field::host_gs_base, "HOST_GS_BASE"},
    KvmName{Field::host_tr_base, "HOST_TR_BASE"},
    KvmName{Field::host_gdtr_base, "HOST_GDTR_BASE"},
    KvmName{Field::host_idtr_base, "HOST_IDTR_BASE"},
    KvmName{Field::host_ia32_sysenter_esp, "HOST_IA32_SYSENTER_ESP"},
    KvmName{Field::host_ia32_sysenter_eip, "HOST_IA32_SYSENTER_EIP"},
    KvmName{Field::host_rsp, "HOST_RSP"},
    KvmName{Field::host_rip, "HOST_RIP"},
};
// clang-format on

} // namespace

std::string KvmName::member() const {
    std::string name{constant};
    std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return name;
}

const KvmName* kvm_name(vmcs::FieldIndex field) {
    const auto found{
        std::ranges::find(names, field, [](const KvmName& name) { return vmcs::index_of(name.field); })};
    return found == names.end() ? nullptr : &*found;
}

KvmField find_kvm_constant(std::string_view constant) {
    constexpr std::string_view suffix{"_HIGH"};
    const bool high{constant.ends_with(suffix)};
    if (high) constant.remove_suffix(suffix.size());
    const auto found{std::ranges::find(names, constant, &KvmName::constant)};
    if (found == names.end() || (high && !vmcs::info(found->field).has_high_half())) return {};
    return {vmcs::index_of(found->field), high};
}

bool kvm_checks_hardware(vmcs::FieldIndex field) {
    constexpr std::array checked{Field::pml_index, Field::vmx_preemption_timer_value,
                                 Field::guest_interrupt_status};
    return std::ranges::find(checked, field, [](Field each) { return vmcs::index_of(each); }) !=
           checked.end();
}

} // namespace shadowtune::tuner
