#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/devices/uart.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/exits.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/l2_ept.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

using vmcs::ExitReason;

// What is left of L1's timer: the processor saved what was left of the smaller one.
[[nodiscard]] bool l1_timer_in_use(const Vcpu& vcpu) {
    return (vcpu.vmcs12.get32(F::pin_based_controls) & vmx::pin::activate_preemption_timer) != 0;
}

void account_timer(Vcpu& vcpu) {
    if (!l1_timer_in_use(vcpu)) return;
    const auto saved{static_cast<std::uint32_t>(vcpu.hardware.read(F::vmx_preemption_timer_value))};
    // Bochs 2.7 saves an older value where the timer was entered with 0; none can be larger than what was
    // loaded.
    const std::uint32_t left{saved < vcpu.timer_loaded ? saved : vcpu.timer_loaded};
    vcpu.timer_left -= vcpu.timer_loaded - left;
}

[[nodiscard]] ExitFacts facts_of(Vcpu& vcpu, std::uint32_t reason) {
    auto& hw{vcpu.hardware};
    ExitFacts facts{};
    facts.exit_reason = reason;
    facts.general_registers = vcpu.registers.value;
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::exception_or_nmi:
        facts.interruption_information =
            static_cast<std::uint32_t>(hw.read(F::vm_exit_interruption_information));
        facts.interruption_error_code =
            static_cast<std::uint32_t>(hw.read(F::vm_exit_interruption_error_code));
        break;
    case ExitReason::vmread:
    case ExitReason::vmwrite:
        facts.instruction_information =
            static_cast<std::uint32_t>(hw.read(F::vm_exit_instruction_information));
        vcpu.registers.value[vmx::rsp_number] = hw.read(F::guest_rsp);
        facts.in_64bit_mode = in_64bit_mode(vcpu);
        break;
    case ExitReason::control_register_access:
        vcpu.registers.value[vmx::rsp_number] = hw.read(F::guest_rsp);
        facts.in_64bit_mode = in_64bit_mode(vcpu);
        [[fallthrough]];
    case ExitReason::io_instruction:
    case ExitReason::mov_dr: facts.qualification = hw.read(F::exit_qualification); break;
    case ExitReason::xsaves:
    case ExitReason::xrstors: facts.ia32_xss = cpu::rdmsr(cpu::msr::xss); break;
    case ExitReason::preemption_timer_expired:
        facts.preemption_timer_is_l0s = !l1_timer_in_use(vcpu) || vcpu.timer_left != 0;
        break;
    default: break;
    }
    return facts;
}

// Whether L0 had its own reason for an exit that L1's controls, as they are now, do not want. L1's bitmaps
// lie in memory that may have changed since the entry: then the exit was L1's, and L0 must not execute for L2
// what is not L0's.
[[nodiscard]] bool is_l0s_exit(Vcpu& vcpu, std::uint32_t reason) {
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::preemption_timer_expired:
    case ExitReason::vmread:
    case ExitReason::vmwrite: return true;
    case ExitReason::rdmsr:
    case ExitReason::wrmsr: return is_l0s_msr(static_cast<std::uint32_t>(vcpu.registers.rcx()));
    case ExitReason::io_instruction: {
        const vmx::IoAccess io{vcpu.hardware.read(F::exit_qualification)};
        return io.port() < devices::com2_base + devices::uart_ports &&
               io.port() + io.size() > devices::com2_base;
    }
    default: return false;
    }
}

void keep_exit(Vcpu& vcpu, std::uint32_t reason) {
    ++vcpu.statistics.l2_exits_kept;
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::rdmsr: emulate_rdmsr(vcpu); break;
    case ExitReason::wrmsr: emulate_wrmsr(vcpu); break;
    case ExitReason::io_instruction: emulate_io(vcpu); break;
    case ExitReason::ept_violation: handle_ept_violation(vcpu); break;
    case ExitReason::vmread: emulate_l2_vmread(vcpu); break;
    case ExitReason::vmwrite: emulate_l2_vmwrite(vcpu); break;
    default: break; // the timer's: the link is looked at after every exit
    }
    if (!vcpu.runs_l2) return;
    load_l2_timer(vcpu, l1_timer_in_use(vcpu));
    // An event that L0 has delivered leaves its own error code and length in vmcs02.
    if (static_cast<ExitReason>(reason) != ExitReason::preemption_timer_expired) {
        vcpu.vmcs12.mark_dirty(
            detail::set_of(F::vm_entry_exception_error_code, F::vm_entry_instruction_length));
    }
}

// An NMI that came while L0 ran, where L1 wants L2's NMIs to exit (26.2). The timer was set to 0 for it
// (nested/run.cpp).
[[nodiscard]] bool deliver_pending_nmi(Vcpu& vcpu, std::uint32_t reason) {
    if (static_cast<ExitReason>(reason) != ExitReason::preemption_timer_expired) return false;
    if ((vcpu.vmcs12.get32(F::pin_based_controls) & vmx::pin::nmi_exiting) == 0) return false;
    if (!cpu::take_pending_nmi()) return false;
    deliver_exit_to_l1(vcpu, {true, static_cast<std::uint32_t>(ExitReason::exception_or_nmi), 0,
                              vmx::interruption::make(vmx::vector::nmi, vmx::EventType::nmi)});
    return true;
}

} // namespace

void handle_l2_exit(Vcpu& vcpu, std::uint32_t reason) {
    account_timer(vcpu);
    if ((reason & vmx::exit_reason_entry_failure) != 0) return deliver_exit_to_l1(vcpu, {});
    vcpu.vmcs02.launched = true;
    if (static_cast<ExitReason>(reason) == ExitReason::ept_violation) return keep_exit(vcpu, reason);
    if (static_cast<ExitReason>(reason) == ExitReason::ept_misconfiguration) {
        stop_l1(vcpu, "EPT misconfiguration in L0's own tables");
    }
    if (deliver_pending_nmi(vcpu, reason)) return;
    if (l1_wants_exit(facts_of(vcpu, reason), vcpu.vmcs12.values(), l1_bitmaps(vcpu)) ||
        !is_l0s_exit(vcpu, reason)) {
        deliver_exit_to_l1(vcpu, {});
    } else {
        keep_exit(vcpu, reason);
    }
}

} // namespace shadowtune::nested
