#include "tuner/kvm_names.hpp"

#include <algorithm>
#include <array>

namespace shadowtune::tuner {

namespace {

using vmcs::Field;

// In the catalogue's order.
// clang-format off: a table.
constexpr std::array names{
    KvmName{Field::virtual_processor_identifier, "VIRTUAL_PROCESSOR_ID", "virtual_processor_id"},
    KvmName{Field::posted_interrupt_notification_vector, "POSTED_INTR_NV", "posted_intr_nv"},
    KvmName{Field::guest_es_selector, "GUEST_ES_SELECTOR", "guest_es_selector"},
    KvmName{Field::guest_cs_selector, "GUEST_CS_SELECTOR", "guest_cs_selector"},
    KvmName{Field::guest_ss_selector, "GUEST_SS_SELECTOR", "guest_ss_selector"},
    KvmName{Field::guest_ds_selector, "GUEST_DS_SELECTOR", "guest_ds_selector"},
    KvmName{Field::guest_fs_selector, "GUEST_FS_SELECTOR", "guest_fs_selector"},
    KvmName{Field::guest_gs_selector, "GUEST_GS_SELECTOR", "guest_gs_selector"},
    KvmName{Field::guest_ldtr_selector, "GUEST_LDTR_SELECTOR", "guest_ldtr_selector"},
    KvmName{Field::guest_tr_selector, "GUEST_TR_SELECTOR", "guest_tr_selector"},
    KvmName{Field::guest_interrupt_status, "GUEST_INTR_STATUS", "guest_intr_status"},
    KvmName{Field::pml_index, "GUEST_PML_INDEX", "guest_pml_index"},
    KvmName{Field::host_es_selector, "HOST_ES_SELECTOR", "host_es_selector"},
    KvmName{Field::host_cs_selector, "HOST_CS_SELECTOR", "host_cs_selector"},
    KvmName{Field::host_ss_selector, "HOST_SS_SELECTOR", "host_ss_selector"},
    KvmName{Field::host_ds_selector, "HOST_DS_SELECTOR", "host_ds_selector"},
    KvmName{Field::host_fs_selector, "HOST_FS_SELECTOR", "host_fs_selector"},
    KvmName{Field::host_gs_selector, "HOST_GS_SELECTOR", "host_gs_selector"},
    KvmName{Field::host_tr_selector, "HOST_TR_SELECTOR", "host_tr_selector"},
    KvmName{Field::io_bitmap_a, "IO_BITMAP_A", "io_bitmap_a"},
    KvmName{Field::io_bitmap_b, "IO_BITMAP_B", "io_bitmap_b"},
    KvmName{Field::msr_bitmap, "MSR_BITMAP", "msr_bitmap"},
    KvmName{Field::vm_exit_msr_store_address, "VM_EXIT_MSR_STORE_ADDR", "vm_exit_msr_store_addr"},
    KvmName{Field::vm_exit_msr_load_address, "VM_EXIT_MSR_LOAD_ADDR", "vm_exit_msr_load_addr"},
    KvmName{Field::vm_entry_msr_load_address, "VM_ENTRY_MSR_LOAD_ADDR", "vm_entry_msr_load_addr"},
    KvmName{Field::pml_address, "PML_ADDRESS", "pml_address"},
    KvmName{Field::tsc_offset, "TSC_OFFSET", "tsc_offset"},
    KvmName{Field::virtual_apic_address, "VIRTUAL_APIC_PAGE_ADDR", "virtual_apic_page_addr"},
    KvmName{Field::apic_access_address, "APIC_ACCESS_ADDR", "apic_access_addr"},
    KvmName{Field::posted_interrupt_descriptor_address, "POSTED_INTR_DESC_ADDR", "posted_intr_desc_addr"},
    KvmName{Field::vm_function_controls, "VM_FUNCTION_CONTROL", "vm_function_control"},
    KvmName{Field::ept_pointer, "EPT_POINTER", "ept_pointer"},
    KvmName{Field::eoi_exit_bitmap_0, "EOI_EXIT_BITMAP0", "eoi_exit_bitmap0"},
    KvmName{Field::eoi_exit_bitmap_1, "EOI_EXIT_BITMAP1", "eoi_exit_bitmap1"},
    KvmName{Field::eoi_exit_bitmap_2, "EOI_EXIT_BITMAP2", "eoi_exit_bitmap2"},
    KvmName{Field::eoi_exit_bitmap_3, "EOI_EXIT_BITMAP3", "eoi_exit_bitmap3"},
    KvmName{Field::eptp_list_address, "EPTP_LIST_ADDRESS", "eptp_list_address"},
    KvmName{Field::vmread_bitmap, "VMREAD_BITMAP", "vmread_bitmap"},
    KvmName{Field::vmwrite_bitmap, "VMWRITE_BITMAP", "vmwrite_bitmap"},
    KvmName{Field::xss_exiting_bitmap, "XSS_EXIT_BITMAP", "xss_exit_bitmap"},
    KvmName{Field::encls_exiting_bitmap, "ENCLS_EXITING_BITMAP", "encls_exiting_bitmap"},
    KvmName{Field::tsc_multiplier, "TSC_MULTIPLIER", "tsc_multiplier"},
    KvmName{Field::guest_physical_address, "GUEST_PHYSICAL_ADDRESS", "guest_physical_address"},
    KvmName{Field::vmcs_link_pointer, "VMCS_LINK_POINTER", "vmcs_link_pointer"},
    KvmName{Field::guest_ia32_debugctl, "GUEST_IA32_DEBUGCTL", "guest_ia32_debugctl"},
    KvmName{Field::guest_ia32_pat, "GUEST_IA32_PAT", "guest_ia32_pat"},
    KvmName{Field::guest_ia32_efer, "GUEST_IA32_EFER", "guest_ia32_efer"},
    KvmName{Field::guest_ia32_perf_global_ctrl, "GUEST_IA32_PERF_GLOBAL_CTRL", "guest_ia32_perf_global_ctrl"},
    KvmName{Field::guest_pdpte_0, "GUEST_PDPTR0", "guest_pdptr0"},
    KvmName{Field::guest_pdpte_1, "GUEST_PDPTR1", "guest_pdptr1"},
    KvmName{Field::guest_pdpte_2, "GUEST_PDPTR2", "guest_pdptr2"},
    KvmName{Field::guest_pdpte_3, "GUEST_PDPTR3", "guest_pdptr3"},
    KvmName{Field::guest_ia32_bndcfgs, "GUEST_BNDCFGS", "guest_bndcfgs"},
    KvmName{Field::host_ia32_pat, "HOST_IA32_PAT", "host_ia32_pat"},
    KvmName{Field::host_ia32_efer, "HOST_IA32_EFER", "host_ia32_efer"},
    KvmName{Field::host_ia32_perf_global_ctrl, "HOST_IA32_PERF_GLOBAL_CTRL", "host_ia32_perf_global_ctrl"},
    KvmName{Field::pin_based_controls, "PIN_BASED_VM_EXEC_CONTROL", "pin_based_vm_exec_control"},
    KvmName{Field::primary_processor_based_controls, "CPU_BASED_VM_EXEC_CONTROL",
            "cpu_based_vm_exec_control"},
    KvmName{Field::exception_bitmap, "EXCEPTION_BITMAP", "exception_bitmap"},
    KvmName{Field::page_fault_error_code_mask, "PAGE_FAULT_ERROR_CODE_MASK", "page_fault_error_code_mask"},
    KvmName{Field::page_fault_error_code_match, "PAGE_FAULT_ERROR_CODE_MATCH", "page_fault_error_code_match"},
    KvmName{Field::cr3_target_count, "CR3_TARGET_COUNT", "cr3_target_count"},
    KvmName{Field::primary_vm_exit_controls, "VM_EXIT_CONTROLS", "vm_exit_controls"},
    KvmName{Field::vm_exit_msr_store_count, "VM_EXIT_MSR_STORE_COUNT", "vm_exit_msr_store_count"},
    KvmName{Field::vm_exit_msr_load_count, "VM_EXIT_MSR_LOAD_COUNT", "vm_exit_msr_load_count"},
    KvmName{Field::vm_entry_controls, "VM_ENTRY_CONTROLS", "vm_entry_controls"},
    KvmName{Field::vm_entry_msr_load_count, "VM_ENTRY_MSR_LOAD_COUNT", "vm_entry_msr_load_count"},
    KvmName{Field::vm_entry_interruption_information, "VM_ENTRY_INTR_INFO_FIELD", "vm_entry_intr_info_field"},
    KvmName{Field::vm_entry_exception_error_code, "VM_ENTRY_EXCEPTION_ERROR_CODE",
            "vm_entry_exception_error_code"},
    KvmName{Field::vm_entry_instruction_length, "VM_ENTRY_INSTRUCTION_LEN", "vm_entry_instruction_len"},
    KvmName{Field::tpr_threshold, "TPR_THRESHOLD", "tpr_threshold"},
    KvmName{Field::secondary_processor_based_controls, "SECONDARY_VM_EXEC_CONTROL",
            "secondary_vm_exec_control"},
    KvmName{Field::vm_instruction_error, "VM_INSTRUCTION_ERROR", "vm_instruction_error"},
    KvmName{Field::exit_reason, "VM_EXIT_REASON", "vm_exit_reason"},
    KvmName{Field::vm_exit_interruption_information, "VM_EXIT_INTR_INFO", "vm_exit_intr_info"},
    KvmName{Field::vm_exit_interruption_error_code, "VM_EXIT_INTR_ERROR_CODE", "vm_exit_intr_error_code"},
    KvmName{Field::idt_vectoring_information, "IDT_VECTORING_INFO_FIELD", "idt_vectoring_info_field"},
    KvmName{Field::idt_vectoring_error_code, "IDT_VECTORING_ERROR_CODE", "idt_vectoring_error_code"},
    KvmName{Field::vm_exit_instruction_length, "VM_EXIT_INSTRUCTION_LEN", "vm_exit_instruction_len"},
    KvmName{Field::vm_exit_instruction_information, "VMX_INSTRUCTION_INFO", "vmx_instruction_info"},
    KvmName{Field::guest_es_limit, "GUEST_ES_LIMIT", "guest_es_limit"},
    KvmName{Field::guest_cs_limit, "GUEST_CS_LIMIT", "guest_cs_limit"},
    KvmName{Field::guest_ss_limit, "GUEST_SS_LIMIT", "guest_ss_limit"},
    KvmName{Field::guest_ds_limit, "GUEST_DS_LIMIT", "guest_ds_limit"},
    KvmName{Field::guest_fs_limit, "GUEST_FS_LIMIT", "guest_fs_limit"},
    KvmName{Field::guest_gs_limit, "GUEST_GS_LIMIT", "guest_gs_limit"},
    KvmName{Field::guest_ldtr_limit, "GUEST_LDTR_LIMIT", "guest_ldtr_limit"},
    KvmName{Field::guest_tr_limit, "GUEST_TR_LIMIT", "guest_tr_limit"},
    KvmName{Field::guest_gdtr_limit, "GUEST_GDTR_LIMIT", "guest_gdtr_limit"},
    KvmName{Field::guest_idtr_limit, "GUEST_IDTR_LIMIT", "guest_idtr_limit"},
    KvmName{Field::guest_es_access_rights, "GUEST_ES_AR_BYTES", "guest_es_ar_bytes"},
    KvmName{Field::guest_cs_access_rights, "GUEST_CS_AR_BYTES", "guest_cs_ar_bytes"},
    KvmName{Field::guest_ss_access_rights, "GUEST_SS_AR_BYTES", "guest_ss_ar_bytes"},
    KvmName{Field::guest_ds_access_rights, "GUEST_DS_AR_BYTES", "guest_ds_ar_bytes"},
    KvmName{Field::guest_fs_access_rights, "GUEST_FS_AR_BYTES", "guest_fs_ar_bytes"},
    KvmName{Field::guest_gs_access_rights, "GUEST_GS_AR_BYTES", "guest_gs_ar_bytes"},
    KvmName{Field::guest_ldtr_access_rights, "GUEST_LDTR_AR_BYTES", "guest_ldtr_ar_bytes"},
    KvmName{Field::guest_tr_access_rights, "GUEST_TR_AR_BYTES", "guest_tr_ar_bytes"},
    KvmName{Field::guest_interruptibility_state, "GUEST_INTERRUPTIBILITY_INFO",
            "guest_interruptibility_info"},
    KvmName{Field::guest_activity_state, "GUEST_ACTIVITY_STATE", "guest_activity_state"},
    KvmName{Field::guest_ia32_sysenter_cs, "GUEST_SYSENTER_CS", "guest_sysenter_cs"},
    KvmName{Field::vmx_preemption_timer_value, "VMX_PREEMPTION_TIMER_VALUE", "vmx_preemption_timer_value"},
    KvmName{Field::host_ia32_sysenter_cs, "HOST_IA32_SYSENTER_CS", "host_ia32_sysenter_cs"},
    KvmName{Field::cr0_guest_host_mask, "CR0_GUEST_HOST_MASK", "cr0_guest_host_mask"},
    KvmName{Field::cr4_guest_host_mask, "CR4_GUEST_HOST_MASK", "cr4_guest_host_mask"},
    KvmName{Field::cr0_read_shadow, "CR0_READ_SHADOW", "cr0_read_shadow"},
    KvmName{Field::cr4_read_shadow, "CR4_READ_SHADOW", "cr4_read_shadow"},
    KvmName{Field::exit_qualification, "EXIT_QUALIFICATION", "exit_qualification"},
    KvmName{Field::guest_linear_address, "GUEST_LINEAR_ADDRESS", "guest_linear_address"},
    KvmName{Field::guest_cr0, "GUEST_CR0", "guest_cr0"},
    KvmName{Field::guest_cr3, "GUEST_CR3", "guest_cr3"},
    KvmName{Field::guest_cr4, "GUEST_CR4", "guest_cr4"},
    KvmName{Field::guest_es_base, "GUEST_ES_BASE", "guest_es_base"},
    KvmName{Field::guest_cs_base, "GUEST_CS_BASE", "guest_cs_base"},
    KvmName{Field::guest_ss_base, "GUEST_SS_BASE", "guest_ss_base"},
    KvmName{Field::guest_ds_base, "GUEST_DS_BASE", "guest_ds_base"},
    KvmName{Field::guest_fs_base, "GUEST_FS_BASE", "guest_fs_base"},
    KvmName{Field::guest_gs_base, "GUEST_GS_BASE", "guest_gs_base"},
    KvmName{Field::guest_ldtr_base, "GUEST_LDTR_BASE", "guest_ldtr_base"},
    KvmName{Field::guest_tr_base, "GUEST_TR_BASE", "guest_tr_base"},
    KvmName{Field::guest_gdtr_base, "GUEST_GDTR_BASE", "guest_gdtr_base"},
    KvmName{Field::guest_idtr_base, "GUEST_IDTR_BASE", "guest_idtr_base"},
    KvmName{Field::guest_dr7, "GUEST_DR7", "guest_dr7"},
    KvmName{Field::guest_rsp, "GUEST_RSP", "guest_rsp"},
    KvmName{Field::guest_rip, "GUEST_RIP", "guest_rip"},
    KvmName{Field::guest_rflags, "GUEST_RFLAGS", "guest_rflags"},
    KvmName{Field::guest_pending_debug_exceptions, "GUEST_PENDING_DBG_EXCEPTIONS",
            "guest_pending_dbg_exceptions"},
    KvmName{Field::guest_ia32_sysenter_esp, "GUEST_SYSENTER_ESP", "guest_sysenter_esp"},
    KvmName{Field::guest_ia32_sysenter_eip, "GUEST_SYSENTER_EIP", "guest_sysenter_eip"},
    KvmName{Field::host_cr0, "HOST_CR0", "host_cr0"},
    KvmName{Field::host_cr3, "HOST_CR3", "host_cr3"},
    KvmName{Field::host_cr4, "HOST_CR4", "host_cr4"},
    KvmName{Field::host_fs_base, "HOST_FS_BASE", "host_fs_base"},
    KvmName{Field::host_gs_base, "HOST_GS_BASE", "host_gs_base"},
    KvmName{Field::host_tr_base, "HOST_TR_BASE", "host_tr_base"},
    KvmName{Field::host_gdtr_base, "HOST_GDTR_BASE", "host_gdtr_base"},
    KvmName{Field::host_idtr_base, "HOST_IDTR_BASE", "host_idtr_base"},
    KvmName{Field::host_ia32_sysenter_esp, "HOST_IA32_SYSENTER_ESP", "host_ia32_sysenter_esp"},
    KvmName{Field::host_ia32_sysenter_eip, "HOST_IA32_SYSENTER_EIP", "host_ia32_sysenter_eip"},
    KvmName{Field::host_rsp, "HOST_RSP", "host_rsp"},
    KvmName{Field::host_rip, "HOST_RIP", "host_rip"},
};
// clang-format on

} // namespace

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
