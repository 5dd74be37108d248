#include "hypervisor/nested/exit_routing.hpp"

#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/vmx/exit_information.hpp"
#include "vmcs/exit_reason.hpp"

namespace shadowtune::nested {

namespace {

namespace pin = vmx::pin;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;
using vmcs::ExitReason;
using vmcs::Field;

[[nodiscard]] bool pin_has(const Vmcs12Values& vmcs12, std::uint32_t controls) {
    return (vmcs12.get32(Field::pin_based_controls) & controls) != 0;
}
[[nodiscard]] bool primary_has(const Vmcs12Values& vmcs12, std::uint32_t controls) {
    return (vmcs12.get32(Field::primary_processor_based_controls) & controls) != 0;
}
[[nodiscard]] bool secondary_has(const Vmcs12Values& vmcs12, std::uint32_t controls) {
    return (secondary_controls_in_force(vmcs12) & controls) != 0;
}

// Section 26.2 "Other Causes of VM Exits": the exception bitmap, for page faults inverted where the error
// code does not match.
[[nodiscard]] bool wants_exception(const ExitFacts& facts, const Vmcs12Values& vmcs12) {
    const std::uint32_t information{facts.interruption_information};
    if (vmx::interruption::type(information) == vmx::EventType::nmi) return pin_has(vmcs12, pin::nmi_exiting);
    const std::uint8_t vector{vmx::interruption::vector(information)};
    if (vector > 31) return false;
    const bool in_bitmap{((vmcs12.get32(Field::exception_bitmap) >> vector) & 1U) != 0};
    if (vector != vmx::vector::page_fault) return in_bitmap;
    const std::uint32_t masked{facts.interruption_error_code &
                               vmcs12.get32(Field::page_fault_error_code_mask)};
    return (masked == vmcs12.get32(Field::page_fault_error_code_match)) == in_bitmap;
}

// The value that the instruction would write, for any bit that L1 owns, differs from what L2 reads there.
[[nodiscard]] bool changes_owned_bit(std::uint64_t source, std::uint64_t mask, std::uint64_t shadow) {
    return ((source ^ shadow) & mask) != 0;
}

[[nodiscard]] bool wants_mov_to_cr3(std::uint64_t source, const Vmcs12Values& vmcs12) {
    if (!primary_has(vmcs12, primary::cr3_load_exiting)) return false;
    constexpr Field targets[4]{Field::cr3_target_value_0, Field::cr3_target_value_1,
                               Field::cr3_target_value_2, Field::cr3_target_value_3};
    const std::uint32_t count{vmcs12.get32(Field::cr3_target_count)};
    for (std::uint32_t i{0}; i < count && i < 4; ++i) {
        if (vmcs12.get(targets[i]) == source) return false;
    }
    return true;
}

[[nodiscard]] bool wants_mov_to_cr(const vmx::CrAccess& access, const ExitFacts& facts,
                                   const Vmcs12Values& vmcs12) {
    const std::uint64_t value{facts.general_registers[access.gpr()]};
    const std::uint64_t source{facts.in_64bit_mode ? value : value & 0xFFFFFFFFU};
    switch (access.number()) {
    case 0:
        return changes_owned_bit(source, vmcs12.get(Field::cr0_guest_host_mask),
                                 vmcs12.get(Field::cr0_read_shadow));
    case 3: return wants_mov_to_cr3(source, vmcs12);
    case 4:
        return changes_owned_bit(source, vmcs12.get(Field::cr4_guest_host_mask),
                                 vmcs12.get(Field::cr4_read_shadow));
    case 8: return primary_has(vmcs12, primary::cr8_load_exiting);
    default: return false;
    }
}

// Section 26.1.3, LMSW: it never clears PE, and reaches no bit above TS.
[[nodiscard]] bool wants_lmsw(std::uint16_t source, const Vmcs12Values& vmcs12) {
    const std::uint64_t mask{vmcs12.get(Field::cr0_guest_host_mask)};
    const std::uint64_t shadow{vmcs12.get(Field::cr0_read_shadow)};
    const bool sets_owned_pe{(mask & source & ~shadow & 1U) != 0};
    return sets_owned_pe || changes_owned_bit(source, mask & 0xEU, shadow);
}

[[nodiscard]] bool wants_cr_access(const ExitFacts& facts, const Vmcs12Values& vmcs12) {
    const vmx::CrAccess access{facts.qualification};
    switch (access.type()) {
    case vmx::CrAccessType::mov_to_cr: return wants_mov_to_cr(access, facts, vmcs12);
    case vmx::CrAccessType::mov_from_cr:
        if (access.number() == 3) return primary_has(vmcs12, primary::cr3_store_exiting);
        if (access.number() == 8) return primary_has(vmcs12, primary::cr8_store_exiting);
        return false;
    case vmx::CrAccessType::clts: {
        constexpr std::uint64_t task_switched{1U << 3};
        const std::uint64_t owned{vmcs12.get(Field::cr0_guest_host_mask) &
                                  vmcs12.get(Field::cr0_read_shadow)};
        return (owned & task_switched) != 0;
    }
    case vmx::CrAccessType::lmsw: return wants_lmsw(access.lmsw_source(), vmcs12);
    }
    return false;
}

// XSAVES and XRSTORS exit for a component that L2 asks for, that IA32_XSS enables, and that L1's bitmap
// names.
[[nodiscard]] bool wants_xsaves(const ExitFacts& facts, const Vmcs12Values& vmcs12) {
    if (!secondary_has(vmcs12, secondary::enable_xsaves_xrstors)) return false;
    const std::uint64_t low{facts.general_registers[0] & 0xFFFFFFFFU};
    const std::uint64_t high{facts.general_registers[2] & 0xFFFFFFFFU};
    const std::uint64_t asked{(high << 32) | low};
    return (asked & facts.ia32_xss & vmcs12.get(Field::xss_exiting_bitmap)) != 0;
}

[[nodiscard]] bool wants_io(const ExitFacts& facts, const Vmcs12Values& vmcs12, const L1Bitmaps& bitmaps) {
    const vmx::IoAccess access{facts.qualification};
    return l1_wants_io_exit(vmcs12.get32(Field::primary_processor_based_controls), bitmaps.io_a, bitmaps.io_b,
                            access.port(), access.size());
}

[[nodiscard]] bool wants_msr(const ExitFacts& facts, const Vmcs12Values& vmcs12, const L1Bitmaps& bitmaps,
                             bool write) {
    const auto msr{static_cast<std::uint32_t>(facts.general_registers[1])};
    return l1_wants_msr_exit(vmcs12.get32(Field::primary_processor_based_controls), bitmaps.msr, msr, write);
}

// 26.1.3, VMREAD and VMWRITE: the field's number is in the register that bits 31:28 of the instruction
// information name (Table 28-14).
[[nodiscard]] bool wants_field_access(const ExitFacts& facts, const Vmcs12Values& vmcs12,
                                      const BitmapWords* bitmap) {
    if (!secondary_has(vmcs12, secondary::vmcs_shadowing)) return true;
    const std::uint64_t value{facts.general_registers[facts.instruction_information >> 28]};
    const std::uint64_t operand{facts.in_64bit_mode ? value : value & 0xFFFFFFFFU};
    constexpr unsigned bits_in_bitmap{15};
    return operand >> bits_in_bitmap != 0 || bitmap == nullptr || bitmap->test(operand);
}

// 26.5.6.2: VMFUNC exits for a function whose control is 0; L0 executes the others.
[[nodiscard]] bool wants_vmfunc(const ExitFacts& facts, const Vmcs12Values& vmcs12) {
    const auto function{static_cast<std::uint32_t>(facts.general_registers[0])};
    if (function >= vmx::vm_function::count) return true;
    return ((vmcs12.get(Field::vm_function_controls) >> function) & 1U) == 0;
}

// MTF exits follow the control, or an injected "other event" with vector 0 (section 26.5.2).
[[nodiscard]] bool wants_monitor_trap_flag(const Vmcs12Values& vmcs12) {
    const std::uint32_t injected{vmcs12.get32(Field::vm_entry_interruption_information)};
    const bool is_injected{vmx::interruption::is_valid(injected) &&
                           vmx::interruption::type(injected) == vmx::EventType::other_event};
    return is_injected || primary_has(vmcs12, primary::monitor_trap_flag);
}

} // namespace

bool l1_wants_exit(const ExitFacts& facts, const Vmcs12Values& vmcs12, const L1Bitmaps& bitmaps) {
    switch (static_cast<ExitReason>(facts.exit_reason & vmx::basic_exit_reason_mask)) {
    // Unconditional: sections 26.1.2 and 26.2, and failed VM entries.
    case ExitReason::triple_fault:
    case ExitReason::init_signal:
    case ExitReason::startup_ipi:
    case ExitReason::task_switch:
    case ExitReason::cpuid:
    case ExitReason::getsec:
    case ExitReason::invd:
    case ExitReason::vmcall:
    case ExitReason::vmclear:
    case ExitReason::vmlaunch:
    case ExitReason::vmptrld:
    case ExitReason::vmptrst:
    case ExitReason::vmresume:
    case ExitReason::vmxoff:
    case ExitReason::vmxon:
    case ExitReason::invept:
    case ExitReason::invvpid:
    case ExitReason::xsetbv:
    case ExitReason::entry_failure_guest_state:
    case ExitReason::entry_failure_msr_loading:
    case ExitReason::entry_failure_machine_check: return true;

    // By a control of the vmcs12.
    case ExitReason::exception_or_nmi: return wants_exception(facts, vmcs12);
    case ExitReason::external_interrupt: return pin_has(vmcs12, pin::external_interrupt_exiting);
    case ExitReason::interrupt_window: return primary_has(vmcs12, primary::interrupt_window_exiting);
    case ExitReason::nmi_window: return primary_has(vmcs12, primary::nmi_window_exiting);
    case ExitReason::hlt: return primary_has(vmcs12, primary::hlt_exiting);
    case ExitReason::invlpg: return primary_has(vmcs12, primary::invlpg_exiting);
    case ExitReason::rdpmc: return primary_has(vmcs12, primary::rdpmc_exiting);
    case ExitReason::rdtsc:
    case ExitReason::rdtscp: return primary_has(vmcs12, primary::rdtsc_exiting);
    case ExitReason::umwait:
    case ExitReason::tpause:
        return primary_has(vmcs12, primary::rdtsc_exiting) &&
               secondary_has(vmcs12, secondary::enable_user_wait_and_pause);
    case ExitReason::control_register_access: return wants_cr_access(facts, vmcs12);
    case ExitReason::mov_dr: return primary_has(vmcs12, primary::mov_dr_exiting);
    case ExitReason::io_instruction: return wants_io(facts, vmcs12, bitmaps);
    case ExitReason::rdmsr: return wants_msr(facts, vmcs12, bitmaps, false);
    case ExitReason::wrmsr: return wants_msr(facts, vmcs12, bitmaps, true);
    case ExitReason::vmfunc: return wants_vmfunc(facts, vmcs12);
    case ExitReason::vmread: return wants_field_access(facts, vmcs12, bitmaps.vmread);
    case ExitReason::vmwrite: return wants_field_access(facts, vmcs12, bitmaps.vmwrite);
    case ExitReason::mwait: return primary_has(vmcs12, primary::mwait_exiting);
    case ExitReason::monitor_trap_flag: return wants_monitor_trap_flag(vmcs12);
    case ExitReason::monitor: return primary_has(vmcs12, primary::monitor_exiting);
    // The processor counts the loop's PAUSEs with L1's own PLE_Gap and PLE_Window.
    case ExitReason::pause:
        return primary_has(vmcs12, primary::pause_exiting) ||
               secondary_has(vmcs12, secondary::pause_loop_exiting);
    case ExitReason::tpr_below_threshold:
    case ExitReason::apic_write: return primary_has(vmcs12, primary::use_tpr_shadow);
    case ExitReason::apic_access: return secondary_has(vmcs12, secondary::virtualize_apic_accesses);
    case ExitReason::virtualized_eoi: return secondary_has(vmcs12, secondary::virtual_interrupt_delivery);
    case ExitReason::gdtr_or_idtr_access:
    case ExitReason::ldtr_or_tr_access: return secondary_has(vmcs12, secondary::descriptor_table_exiting);
    case ExitReason::preemption_timer_expired:
        return pin_has(vmcs12, pin::activate_preemption_timer) && !facts.preemption_timer_is_l0s;
    case ExitReason::wbinvd: return secondary_has(vmcs12, secondary::wbinvd_exiting);
    case ExitReason::rdrand: return secondary_has(vmcs12, secondary::rdrand_exiting);
    case ExitReason::rdseed: return secondary_has(vmcs12, secondary::rdseed_exiting);
    case ExitReason::invpcid:
        return secondary_has(vmcs12, secondary::enable_invpcid) &&
               primary_has(vmcs12, primary::invlpg_exiting);
    case ExitReason::xsaves:
    case ExitReason::xrstors: return wants_xsaves(facts, vmcs12);

    // System management is L0's and the firmware's: L1 is offered no dual-monitor treatment, and RSM faults
    // outside it.
    case ExitReason::io_smi:
    case ExitReason::other_smi:
    case ExitReason::rsm: return false;

    // Decided by the caller's walk of L1's tables.
    case ExitReason::ept_violation:
    case ExitReason::ept_misconfiguration: return false;

    // Controls that vmcs02 never has, since L1 is not offered them or L0 does their work (page-modification
    // logging): such an exit is L0's to report.
    case ExitReason::encls:
    case ExitReason::enclv:
    case ExitReason::page_modification_log_full:
    case ExitReason::pconfig:
    case ExitReason::spp_event:
    case ExitReason::loadiwkey:
    case ExitReason::enqcmd_pasid_failure:
    case ExitReason::enqcmds_pasid_failure:
    case ExitReason::bus_lock:
    case ExitReason::instruction_timeout:
    case ExitReason::seamcall:
    case ExitReason::tdcall:
    case ExitReason::rdmsrlist:
    case ExitReason::wrmsrlist: return false;
    }
    return false;
}

} // namespace shadowtune::nested
