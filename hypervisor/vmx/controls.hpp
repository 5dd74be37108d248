#pragma once

// VMX controls, capability bits, error numbers and the fields of exit information, under the SDM's own names.
// SDM Vol. 3C, chapters 25 (VMCS), 28 (VM exits), 31 (VMX instructions), and Vol. 3D, Appendix A
// (325462-087).

#include <cstdint>

namespace shadowtune::vmx {

namespace detail {
[[nodiscard]] constexpr std::uint32_t bit(unsigned number) {
    return std::uint32_t{1} << number;
}
[[nodiscard]] constexpr std::uint64_t bit64(unsigned number) {
    return std::uint64_t{1} << number;
}
} // namespace detail

// Pin-based VM-execution controls: section 25.6.1.
namespace pin {
inline constexpr std::uint32_t external_interrupt_exiting{detail::bit(0)};
inline constexpr std::uint32_t nmi_exiting{detail::bit(3)};
inline constexpr std::uint32_t virtual_nmis{detail::bit(5)};
inline constexpr std::uint32_t activate_preemption_timer{detail::bit(6)};
inline constexpr std::uint32_t process_posted_interrupts{detail::bit(7)};
// Bits 1, 2 and 4: 1 in every processor's default (Vol. 3D, A.3.1).
inline constexpr std::uint32_t default1{0x00000016};
} // namespace pin

// Primary processor-based VM-execution controls: section 25.6.2.
namespace primary {
inline constexpr std::uint32_t interrupt_window_exiting{detail::bit(2)};
inline constexpr std::uint32_t use_tsc_offsetting{detail::bit(3)};
inline constexpr std::uint32_t hlt_exiting{detail::bit(7)};
inline constexpr std::uint32_t invlpg_exiting{detail::bit(9)};
inline constexpr std::uint32_t mwait_exiting{detail::bit(10)};
inline constexpr std::uint32_t rdpmc_exiting{detail::bit(11)};
inline constexpr std::uint32_t rdtsc_exiting{detail::bit(12)};
inline constexpr std::uint32_t cr3_load_exiting{detail::bit(15)};
inline constexpr std::uint32_t cr3_store_exiting{detail::bit(16)};
inline constexpr std::uint32_t activate_tertiary_controls{detail::bit(17)};
inline constexpr std::uint32_t cr8_load_exiting{detail::bit(19)};
inline constexpr std::uint32_t cr8_store_exiting{detail::bit(20)};
inline constexpr std::uint32_t use_tpr_shadow{detail::bit(21)};
inline constexpr std::uint32_t nmi_window_exiting{detail::bit(22)};
inline constexpr std::uint32_t mov_dr_exiting{detail::bit(23)};
inline constexpr std::uint32_t unconditional_io_exiting{detail::bit(24)};
inline constexpr std::uint32_t use_io_bitmaps{detail::bit(25)};
inline constexpr std::uint32_t monitor_trap_flag{detail::bit(27)};
inline constexpr std::uint32_t use_msr_bitmaps{detail::bit(28)};
inline constexpr std::uint32_t monitor_exiting{detail::bit(29)};
inline constexpr std::uint32_t pause_exiting{detail::bit(30)};
inline constexpr std::uint32_t activate_secondary_controls{detail::bit(31)};
// Bits 1, 4-6, 8, 13-16 and 26 (Vol. 3D, A.3.2); the TRUE MSR may free 15 and 16.
inline constexpr std::uint32_t default1{0x0401E172};
} // namespace primary

// Secondary processor-based VM-execution controls.
namespace secondary {
inline constexpr std::uint32_t virtualize_apic_accesses{detail::bit(0)};
inline constexpr std::uint32_t enable_ept{detail::bit(1)};
inline constexpr std::uint32_t descriptor_table_exiting{detail::bit(2)};
inline constexpr std::uint32_t enable_rdtscp{detail::bit(3)};
inline constexpr std::uint32_t virtualize_x2apic_mode{detail::bit(4)};
inline constexpr std::uint32_t enable_vpid{detail::bit(5)};
inline constexpr std::uint32_t wbinvd_exiting{detail::bit(6)};
inline constexpr std::uint32_t unrestricted_guest{detail::bit(7)};
inline constexpr std::uint32_t apic_register_virtualization{detail::bit(8)};
inline constexpr std::uint32_t virtual_interrupt_delivery{detail::bit(9)};
inline constexpr std::uint32_t pause_loop_exiting{detail::bit(10)};
inline constexpr std::uint32_t rdrand_exiting{detail::bit(11)};
inline constexpr std::uint32_t enable_invpcid{detail::bit(12)};
inline constexpr std::uint32_t enable_vm_functions{detail::bit(13)};
inline constexpr std::uint32_t vmcs_shadowing{detail::bit(14)};
inline constexpr std::uint32_t enable_encls_exiting{detail::bit(15)};
inline constexpr std::uint32_t rdseed_exiting{detail::bit(16)};
inline constexpr std::uint32_t enable_pml{detail::bit(17)};
inline constexpr std::uint32_t ept_violation_ve{detail::bit(18)};
inline constexpr std::uint32_t conceal_vmx_from_pt{detail::bit(19)};
inline constexpr std::uint32_t enable_xsaves_xrstors{detail::bit(20)};
inline constexpr std::uint32_t pasid_translation{detail::bit(21)};
inline constexpr std::uint32_t mode_based_execute_control{detail::bit(22)};
inline constexpr std::uint32_t sub_page_write_permissions{detail::bit(23)};
inline constexpr std::uint32_t pt_uses_guest_physical_addresses{detail::bit(24)};
inline constexpr std::uint32_t use_tsc_scaling{detail::bit(25)};
inline constexpr std::uint32_t enable_user_wait_and_pause{detail::bit(26)};
inline constexpr std::uint32_t enable_pconfig{detail::bit(27)};
inline constexpr std::uint32_t enable_enclv_exiting{detail::bit(28)};
inline constexpr std::uint32_t vmm_bus_lock_detection{detail::bit(30)};
inline constexpr std::uint32_t instruction_timeout{detail::bit(31)};
} // namespace secondary

// Tertiary processor-based VM-execution controls: 64 bits, and the capability MSR is the allowed-1 mask
// alone.
namespace tertiary {
inline constexpr std::uint64_t loadiwkey_exiting{detail::bit64(0)};
inline constexpr std::uint64_t enable_hlat{detail::bit64(1)};
inline constexpr std::uint64_t ipi_virtualization{detail::bit64(4)};
inline constexpr std::uint64_t enable_msr_list_instructions{detail::bit64(6)};
inline constexpr std::uint64_t virtualize_spec_ctrl{detail::bit64(7)};
inline constexpr std::uint64_t apic_timer_virtualization{detail::bit64(8)};
} // namespace tertiary

// VM-function controls, and IA32_VMX_VMFUNC: section 25.6.14, A.11. The function's number is the bit's.
namespace vm_function {
inline constexpr std::uint64_t eptp_switching{detail::bit64(0)};
inline constexpr unsigned count{64};
inline constexpr std::uint32_t eptp_list_entries{512};
} // namespace vm_function

// Primary VM-exit controls: section 25.7.1.
namespace exit {
inline constexpr std::uint32_t save_debug_controls{detail::bit(2)};
inline constexpr std::uint32_t host_address_space_size{detail::bit(9)};
inline constexpr std::uint32_t load_perf_global_ctrl{detail::bit(12)};
inline constexpr std::uint32_t acknowledge_interrupt_on_exit{detail::bit(15)};
inline constexpr std::uint32_t save_pat{detail::bit(18)};
inline constexpr std::uint32_t load_pat{detail::bit(19)};
inline constexpr std::uint32_t save_efer{detail::bit(20)};
inline constexpr std::uint32_t load_efer{detail::bit(21)};
inline constexpr std::uint32_t save_preemption_timer_value{detail::bit(22)};
inline constexpr std::uint32_t clear_bndcfgs{detail::bit(23)};
inline constexpr std::uint32_t conceal_vmx_from_pt{detail::bit(24)};
inline constexpr std::uint32_t clear_rtit_ctl{detail::bit(25)};
inline constexpr std::uint32_t clear_lbr_ctl{detail::bit(26)};
inline constexpr std::uint32_t clear_uinv{detail::bit(27)};
inline constexpr std::uint32_t load_cet_state{detail::bit(28)};
inline constexpr std::uint32_t load_pkrs{detail::bit(29)};
inline constexpr std::uint32_t save_perf_global_ctrl{detail::bit(30)};
inline constexpr std::uint32_t activate_secondary_controls{detail::bit(31)};
// Bits 0-8, 10, 11, 13, 14, 16 and 17 (Vol. 3D, A.4.1); the TRUE MSR may free bit 2.
inline constexpr std::uint32_t default1{0x00036DFF};
} // namespace exit

// VM-entry controls: section 25.8.1.
namespace entry {
inline constexpr std::uint32_t load_debug_controls{detail::bit(2)};
inline constexpr std::uint32_t ia32e_mode_guest{detail::bit(9)};
inline constexpr std::uint32_t entry_to_smm{detail::bit(10)};
inline constexpr std::uint32_t deactivate_dual_monitor_treatment{detail::bit(11)};
inline constexpr std::uint32_t load_perf_global_ctrl{detail::bit(13)};
inline constexpr std::uint32_t load_pat{detail::bit(14)};
inline constexpr std::uint32_t load_efer{detail::bit(15)};
inline constexpr std::uint32_t load_bndcfgs{detail::bit(16)};
inline constexpr std::uint32_t conceal_vmx_from_pt{detail::bit(17)};
inline constexpr std::uint32_t load_rtit_ctl{detail::bit(18)};
inline constexpr std::uint32_t load_uinv{detail::bit(19)};
inline constexpr std::uint32_t load_cet_state{detail::bit(20)};
inline constexpr std::uint32_t load_lbr_ctl{detail::bit(21)};
inline constexpr std::uint32_t load_pkrs{detail::bit(22)};
inline constexpr std::uint32_t load_fred{detail::bit(23)};
// Bits 0-8 and 12 (Vol. 3D, A.5); the TRUE MSR may free bit 2.
inline constexpr std::uint32_t default1{0x000011FF};
} // namespace entry

// The capability MSRs' numbers: Vol. 3D, Appendix A.
namespace msr {
inline constexpr std::uint32_t vmx_basic{0x480};
inline constexpr std::uint32_t vmx_pin_based{0x481};
inline constexpr std::uint32_t vmx_primary{0x482};
inline constexpr std::uint32_t vmx_exit{0x483};
inline constexpr std::uint32_t vmx_entry{0x484};
inline constexpr std::uint32_t vmx_misc{0x485};
inline constexpr std::uint32_t vmx_cr0_fixed0{0x486};
inline constexpr std::uint32_t vmx_cr0_fixed1{0x487};
inline constexpr std::uint32_t vmx_cr4_fixed0{0x488};
inline constexpr std::uint32_t vmx_cr4_fixed1{0x489};
inline constexpr std::uint32_t vmx_vmcs_enum{0x48A};
inline constexpr std::uint32_t vmx_secondary{0x48B};
inline constexpr std::uint32_t vmx_ept_vpid_cap{0x48C};
inline constexpr std::uint32_t vmx_true_pin_based{0x48D};
inline constexpr std::uint32_t vmx_true_primary{0x48E};
inline constexpr std::uint32_t vmx_true_exit{0x48F};
inline constexpr std::uint32_t vmx_true_entry{0x490};
inline constexpr std::uint32_t vmx_vmfunc{0x491};
inline constexpr std::uint32_t vmx_tertiary{0x492};
inline constexpr std::uint32_t vmx_exit2{0x493};
} // namespace msr

// Bit 31 of a VMCS region's first word: Table 25-1.
inline constexpr std::uint32_t shadow_vmcs_indicator{detail::bit(31)};

// IA32_VMX_BASIC: A.1.
namespace basic {
inline constexpr std::uint64_t revision_mask{0x7FFFFFFF};
inline constexpr unsigned region_size_shift{32};
inline constexpr std::uint64_t region_size_mask{0x1FFF};
inline constexpr std::uint64_t physical_addresses_32_bit{detail::bit64(48)};
inline constexpr std::uint64_t dual_monitor{detail::bit64(49)};
inline constexpr unsigned memory_type_shift{50};
inline constexpr std::uint64_t memory_type_mask{0xF};
inline constexpr std::uint64_t ins_outs_information{detail::bit64(54)};
inline constexpr std::uint64_t true_controls{detail::bit64(55)};
inline constexpr std::uint64_t any_error_code{detail::bit64(56)};
} // namespace basic

// IA32_VMX_MISC: A.6.
namespace misc {
inline constexpr std::uint64_t preemption_timer_rate_mask{0x1F};
inline constexpr std::uint64_t stores_efer_lma{detail::bit64(5)};
inline constexpr std::uint64_t activity_hlt{detail::bit64(6)};
inline constexpr std::uint64_t activity_shutdown{detail::bit64(7)};
inline constexpr std::uint64_t activity_wait_for_sipi{detail::bit64(8)};
inline constexpr std::uint64_t processor_trace{detail::bit64(14)};
inline constexpr std::uint64_t rdmsr_smbase{detail::bit64(15)};
inline constexpr unsigned cr3_target_count_shift{16};
inline constexpr std::uint64_t cr3_target_count_mask{0x1FF};
inline constexpr unsigned msr_list_size_shift{25};
inline constexpr std::uint64_t msr_list_size_mask{7};
inline constexpr std::uint64_t smm_monitor_control{detail::bit64(28)};
inline constexpr std::uint64_t vmwrite_any_field{detail::bit64(29)};
inline constexpr std::uint64_t inject_length_zero{detail::bit64(30)};
} // namespace misc

// IA32_VMX_EPT_VPID_CAP: A.10.
namespace ept_vpid_cap {
inline constexpr std::uint64_t execute_only{detail::bit64(0)};
inline constexpr std::uint64_t page_walk_4{detail::bit64(6)};
inline constexpr std::uint64_t page_walk_5{detail::bit64(7)};
inline constexpr std::uint64_t memory_type_uc{detail::bit64(8)};
inline constexpr std::uint64_t memory_type_wb{detail::bit64(14)};
inline constexpr std::uint64_t pages_2m{detail::bit64(16)};
inline constexpr std::uint64_t pages_1g{detail::bit64(17)};
inline constexpr std::uint64_t invept{detail::bit64(20)};
inline constexpr std::uint64_t accessed_dirty{detail::bit64(21)};
inline constexpr std::uint64_t advanced_exit_information{detail::bit64(22)};
inline constexpr std::uint64_t supervisor_shadow_stack{detail::bit64(23)};
inline constexpr std::uint64_t invept_single_context{detail::bit64(25)};
inline constexpr std::uint64_t invept_all_contexts{detail::bit64(26)};
inline constexpr std::uint64_t invvpid{detail::bit64(32)};
inline constexpr std::uint64_t invvpid_individual_address{detail::bit64(40)};
inline constexpr std::uint64_t invvpid_single_context{detail::bit64(41)};
inline constexpr std::uint64_t invvpid_all_contexts{detail::bit64(42)};
inline constexpr std::uint64_t invvpid_single_context_retaining_globals{detail::bit64(43)};
} // namespace ept_vpid_cap

// A control's capability MSR: bits 31:0 must be 1 where set (allowed-0), bits 63:32 may be 1 where set
// (allowed-1).
[[nodiscard]] constexpr std::uint32_t must_be_one(std::uint64_t capability_msr) {
    return static_cast<std::uint32_t>(capability_msr);
}
[[nodiscard]] constexpr std::uint32_t may_be_one(std::uint64_t capability_msr) {
    return static_cast<std::uint32_t>(capability_msr >> 32);
}
[[nodiscard]] constexpr bool is_allowed(std::uint32_t value, std::uint64_t capability_msr) {
    return (must_be_one(capability_msr) & ~value) == 0 && (value & ~may_be_one(capability_msr)) == 0;
}
// The nearest value that is_allowed accepts: what is forced is added, what is not there is dropped.
[[nodiscard]] constexpr std::uint32_t adjust(std::uint32_t wanted, std::uint64_t capability_msr) {
    return (wanted | must_be_one(capability_msr)) & may_be_one(capability_msr);
}

// CR0 and CR4 in VMX operation: a bit fixed to 1 is 1 in FIXED0, a bit fixed to 0 is 0 in FIXED1 (A.7, A.8).
[[nodiscard]] constexpr bool is_fixed_ok(std::uint64_t value, std::uint64_t fixed0, std::uint64_t fixed1) {
    return (fixed0 & ~value) == 0 && (value & ~fixed1) == 0;
}

// VM-instruction error numbers: section 31.4.
enum class InstructionError : std::uint32_t {
    none = 0,
    vmcall_in_root_operation = 1,
    vmclear_invalid_physical_address = 2,
    vmclear_vmxon_pointer = 3,
    vmlaunch_non_clear_vmcs = 4,
    vmresume_non_launched_vmcs = 5,
    vmresume_after_vmxoff = 6,
    entry_invalid_control_fields = 7,
    entry_invalid_host_state_fields = 8,
    vmptrld_invalid_physical_address = 9,
    vmptrld_vmxon_pointer = 10,
    vmptrld_incorrect_revision_identifier = 11,
    unsupported_vmcs_component = 12,
    vmwrite_read_only_component = 13,
    vmxon_in_root_operation = 15,
    entry_invalid_executive_vmcs_pointer = 16,
    entry_non_launched_executive_vmcs = 17,
    entry_executive_vmcs_pointer_not_vmxon_pointer = 18,
    vmcall_non_clear_vmcs = 19,
    vmcall_invalid_exit_control_fields = 20,
    vmcall_incorrect_mseg_revision_identifier = 22,
    vmxoff_under_dual_monitor_treatment = 23,
    vmcall_invalid_smm_monitor_features = 24,
    entry_invalid_execution_controls_in_executive_vmcs = 25,
    entry_events_blocked_by_mov_ss = 26,
    invalid_operand_to_invept_invvpid = 28,
};

} // namespace shadowtune::vmx
