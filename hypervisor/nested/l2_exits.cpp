#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/devices/uart.hpp"
#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/exits.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

using vmcs::ExitReason;

// How the EPT walk reaches L1's memory.
struct L1Tables {
    const memory::L1Memory& memory;

    [[nodiscard]] bool read64(std::uint64_t address, std::uint64_t& value) const {
        value = __atomic_load_n(static_cast<std::uint64_t*>(memory.pointer(address)), __ATOMIC_RELAXED);
        return true;
    }
    [[nodiscard]] bool compare_exchange64(std::uint64_t address, std::uint64_t expected,
                                          std::uint64_t desired) const {
        return __atomic_compare_exchange_n(static_cast<std::uint64_t*>(memory.pointer(address)), &expected,
                                           desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
};

// NMI blocking that an IRET was about to end before its fault is restored for L2's next try (SDM Vol.
// 3C, 28.2.3).
void keep_nmi_blocking(Vcpu& vcpu, std::uint64_t qualification) {
    auto& hw{vcpu.hardware};
    const auto vectoring{static_cast<std::uint32_t>(hw.read(F::idt_vectoring_information))};
    if ((qualification & vmx::ept_violation::nmi_unblocking_due_to_iret) == 0) return;
    if (vmx::interruption::is_valid(vectoring)) return;
    hw.write(F::guest_interruptibility_state,
             hw.read(F::guest_interruptibility_state) | vmx::interruptibility::blocking_by_nmi);
}

void handle_ept_violation(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const bool has_ept{(secondary_controls_in_force(vmcs12.values()) & vmx::secondary::enable_ept) != 0};
    // EPT01 maps every address, so that one of its own can only mean an address wider than it.
    if (!has_ept) stop_l1(vcpu, "EPT violation of L2 without EPT of L1");
    const std::uint64_t address{hw.read(F::guest_physical_address)};
    const std::uint64_t qualification{hw.read(F::exit_qualification)};
    const EptSettings settings{vmcs12.get(F::ept_pointer),
                               vcpu.machine.offered_msrs[vmx::msr::vmx_ept_vpid_cap],
                               vcpu.machine.processor.physical_address_bits};
    L1Tables tables{vcpu.machine.l1};
    const EptWalk walk{
        walk_ept12(tables, settings, address, qualification & vmx::ept_violation::access_mask)};
    switch (walk.outcome) {
    case EptOutcome::ok: {
        // L1's own memory type, where it is no RAM, wins over what its EPT says.
        const std::uint64_t page{walk.address & ~(memory::page_size - 1)};
        const std::uint64_t type{memory::memory_type_of_range(vcpu.machine.map, page, memory::page_size)};
        EptWalk composed{walk};
        if (type == memory::ept_uncacheable && vcpu.machine.l1.is_identity(page, memory::page_size)) {
            composed.memory_type = static_cast<std::uint8_t>(memory::ept_uncacheable);
        }
        if (walk.writable) note_l2_writable(vcpu, walk.address, walk.page_shift);
        const bool kept{vcpu.ept02->map(hw, vcpu.machine.l1, vmcs12.get(F::ept_pointer), address, composed)};
        if (!kept) set_l2_ept(vcpu);
        keep_nmi_blocking(vcpu, qualification);
        redeliver_interrupted_event(vcpu);
        return;
    }
    case EptOutcome::busy: redeliver_interrupted_event(vcpu); return;
    case EptOutcome::violation: {
        // The processor's own bits say what happened in linear addresses; permissions are those of L1's
        // tables.
        constexpr std::uint64_t permissions{vmx::ept_violation::readable | vmx::ept_violation::writable |
                                            vmx::ept_violation::executable};
        const std::uint64_t told{(qualification & ~(permissions | vmx::ept_violation::access_mask)) |
                                 walk.qualification};
        return deliver_exit_to_l1(vcpu, {true, static_cast<std::uint32_t>(ExitReason::ept_violation), told});
    }
    case EptOutcome::misconfiguration:
        return deliver_exit_to_l1(vcpu,
                                  {true, static_cast<std::uint32_t>(ExitReason::ept_misconfiguration), 0});
    }
}

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
    case ExitReason::preemption_timer_expired: return true;
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
