#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/devices/local_apic.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/exits.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/l2_ept.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/overdue_exit.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

using vmcs::ExitReason;

// Of an exit that L0 may have asked for.
[[nodiscard]] ExitFacts facts_of(Vcpu& vcpu, std::uint32_t reason) {
    auto& hw{vcpu.hardware};
    ExitFacts facts{};
    facts.exit_reason = reason;
    facts.general_registers = vcpu.registers.value;
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::vmread:
    case ExitReason::vmwrite:
        facts.instruction_information =
            static_cast<std::uint32_t>(hw.read(F::vm_exit_instruction_information));
        vcpu.registers.value[vmx::rsp_number] = hw.read(F::guest_rsp);
        facts.in_64bit_mode = in_64bit_mode(vcpu);
        break;
    case ExitReason::io_instruction: facts.qualification = hw.read(F::exit_qualification); break;
    case ExitReason::preemption_timer_expired: facts.preemption_timer_is_l0s = !vcpu.timer.expires(); break;
    default: break;
    }
    return facts;
}

// A port that exits only because L0 has to look at L1's bitmaps first. L0 executes the instruction; where
// more belongs to it than the port's data (memory, or an I/O breakpoint), the processor does.
void pass_io(Vcpu& vcpu, vmx::IoAccess io) {
    auto& hw{vcpu.hardware};
    constexpr std::uint64_t breakpoints_on{0xFF};
    const bool may_break{(hw.read(F::guest_cr4) & cpu::cr4::de) != 0 &&
                         (hw.read(F::guest_dr7) & breakpoints_on) != 0};
    if (io.is_string() || may_break) return merge_bitmaps_until_exit(vcpu);
    auto& rax{vcpu.registers.rax()};
    const std::uint64_t mask{io.size() == 4 ? 0xFFFF'FFFF : (std::uint64_t{1} << io.size() * 8) - 1};
    if (io.is_in()) {
        const std::uint32_t value{cpu::in(io.port(), io.size())};
        // IN to EAX clears the upper half of RAX, as every 32-bit result does.
        rax = io.size() == 4 ? value : (rax & ~mask) | value;
    } else {
        cpu::out(io.port(), io.size(), static_cast<std::uint32_t>(rax & mask));
    }
    skip_instruction(vcpu);
}

void handle_io(Vcpu& vcpu) {
    const vmx::IoAccess io{vcpu.hardware.read(F::exit_qualification)};
    if (is_l0s_port(io)) return emulate_io(vcpu);
    pass_io(vcpu, io);
}

// MSRs that mean something else while L2 runs: offset and scaled, virtualised, or switched with L2; and the
// trigger of microcode updates, whose operand would be a linear address of L0's.
[[nodiscard]] bool only_processor_knows(std::uint32_t number) {
    return number == cpu::msr::tsc || number == cpu::msr::pat || number == cpu::msr::perf_global_ctrl ||
           number == cpu::msr::microcode_update || number >> 8 == 8;
}

// An MSR that exits only because L0 has to look at L1's bitmap first.
void pass_msr(Vcpu& vcpu, std::uint32_t number, bool is_read) {
    if (only_processor_knows(number)) return merge_bitmaps_until_exit(vcpu);
    std::uint64_t value{vcpu.registers.edx_eax()};
    const bool done{is_read ? read_guest_msr(vcpu, number, value) : write_guest_msr(vcpu, number, value)};
    if (!done) return inject_exception(vcpu, vmx::vector::general_protection, 0);
    if (is_read) vcpu.registers.set_edx_eax(value);
    skip_instruction(vcpu);
}

void handle_msr(Vcpu& vcpu, bool is_read) {
    const auto number{static_cast<std::uint32_t>(vcpu.registers.rcx())};
    if (!is_l0s_msr(number)) return pass_msr(vcpu, number, is_read);
    is_read ? emulate_rdmsr(vcpu) : emulate_wrmsr(vcpu);
}

// Whether L0 may have had its own reason for this exit. All others are L1's, even where its bitmaps, which
// may have changed since the entry, do not want them now: L0 must not execute for L2 what is not L0's.
[[nodiscard]] bool is_l0s_exit(Vcpu& vcpu, std::uint32_t reason) {
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::preemption_timer_expired:
    case ExitReason::vmread:
    case ExitReason::vmwrite:
    case ExitReason::vmfunc: return true;
    case ExitReason::rdmsr:
    case ExitReason::wrmsr:
        return vcpu.msr_is_decided_at_exit || is_l0s_msr(static_cast<std::uint32_t>(vcpu.registers.rcx()));
    case ExitReason::io_instruction: {
        const vmx::IoAccess io{vcpu.hardware.read(F::exit_qualification)};
        return vcpu.io_is_decided_at_exit || is_l0s_port(io);
    }
    default: return false;
    }
}

void keep_exit(Vcpu& vcpu, std::uint32_t reason) {
    ++vcpu.statistics.l2_exits_kept;
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::rdmsr:
    case ExitReason::wrmsr: handle_msr(vcpu, static_cast<ExitReason>(reason) == ExitReason::rdmsr); break;
    case ExitReason::io_instruction: handle_io(vcpu); break;
    case ExitReason::ept_violation: handle_ept_violation(vcpu); break;
    case ExitReason::vmread: emulate_l2_vmread(vcpu); break;
    case ExitReason::vmwrite: emulate_l2_vmwrite(vcpu); break;
    case ExitReason::vmfunc: emulate_l2_vmfunc(vcpu); break;
    default: break; // the timer's: the link is looked at after every exit
    }
}

// An NMI that came while L0 ran, where L1 wants L2's NMIs to exit (26.2). The timer was set to 0 for it
// (nested/run.cpp). L1's own timer comes before it (27.7.4).
[[nodiscard]] bool deliver_pending_nmi(Vcpu& vcpu, std::uint32_t reason) {
    if (static_cast<ExitReason>(reason) != ExitReason::preemption_timer_expired) return false;
    const std::uint32_t pin12{vcpu.vmcs12.get32(F::pin_based_controls)};
    if ((pin12 & vmx::pin::nmi_exiting) == 0 || !cpu::is_nmi_pending() || vcpu.timer.expires()) return false;
    // Without virtual NMIs L2's blocking is the processor's own (Table 26-5).
    const std::uint64_t state{vcpu.hardware.read(F::guest_interruptibility_state)};
    const bool is_blocked{(pin12 & vmx::pin::virtual_nmis) == 0 &&
                          (state & vmx::interruptibility::blocking_by_nmi) != 0};
    if (is_blocked || !cpu::take_pending_nmi()) return false;
    deliver_exit_to_l1(vcpu, ExitOverride{static_cast<std::uint32_t>(ExitReason::exception_or_nmi), 0,
                                          vmx::interruption::make(vmx::vector::nmi, vmx::EventType::nmi)});
    return true;
}

// Behind L1's own timer, which comes before both (27.7.4).
[[nodiscard]] bool deliver_overdue_exit(Vcpu& vcpu, std::uint32_t reason) {
    auto& hw{vcpu.hardware};
    if (static_cast<ExitReason>(reason) != ExitReason::preemption_timer_expired) return false;
    if (vcpu.timer.expires()) return false;
    if (hw.read(F::guest_activity_state) != static_cast<std::uint32_t>(vmx::ActivityState::hlt)) return false;
    const HaltedL2 l2{(hw.read(F::guest_rflags) & cpu::rflags::interrupt) != 0,
                      devices::LocalApic{}.has_deliverable_interrupt()};
    const OverdueExit overdue{overdue_exit(vcpu.vmcs12.values(), l2)};
    if (overdue == OverdueExit::none) return false;
    const ExitReason why{overdue == OverdueExit::interrupt_window ? ExitReason::interrupt_window
                                                                  : ExitReason::external_interrupt};
    deliver_exit_to_l1(vcpu, ExitOverride{static_cast<std::uint32_t>(why)});
    return true;
}

} // namespace

void handle_l2_exit(Vcpu& vcpu, std::uint32_t reason) {
    if (vcpu.bitmaps_until_exit) [[unlikely]]
        end_merged_bitmaps(vcpu);
    if ((reason & vmx::exit_reason_entry_failure) != 0) return deliver_exit_to_l1(vcpu, reason);
    vcpu.vmcs02.launched = true;
    if (exits_unconditionally(reason)) return deliver_exit_to_l1(vcpu, reason);
    if (static_cast<ExitReason>(reason) == ExitReason::ept_violation) return keep_exit(vcpu, reason);
    if (static_cast<ExitReason>(reason) == ExitReason::ept_misconfiguration) {
        stop_l1(vcpu, "EPT misconfiguration in L0's own tables");
    }
    if (deliver_pending_nmi(vcpu, reason) || deliver_overdue_exit(vcpu, reason)) return;
    if (is_l0s_exit(vcpu, reason) &&
        !l1_wants_exit(facts_of(vcpu, reason), vcpu.vmcs12.values(), l1_bitmaps(vcpu, reason))) {
        keep_exit(vcpu, reason);
    } else {
        deliver_exit_to_l1(vcpu, reason);
    }
}

} // namespace shadowtune::nested
