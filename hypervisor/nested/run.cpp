#include "hypervisor/nested/run.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/exits.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/standstill.hpp"
#include "hypervisor/nested/startup.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"
#include "hypervisor/shadow/shadowing.hpp"
#include "vmcs/exit_reason.hpp"

namespace shadowtune::nested {

namespace {

shadow::Commands* the_commands{nullptr}; // of the bootstrap processor

void write_line(const char* name, std::uint64_t value) {
    cpu::console_write(name);
    cpu::console_write_hex(value);
}

// An NMI that came while L0 ran goes to whoever runs next, when it can take it; until then it stays pending,
// and the next exit, L0's timer's at the latest, tries again.
void pass_on_nmi(Vcpu& vcpu) {
    if (!cpu::is_nmi_pending()) [[likely]]
        return;
    auto& hw{vcpu.hardware};
    if (vcpu.runs_l2 && (vcpu.vmcs12.get32(F::pin_based_controls) & vmx::pin::nmi_exiting) != 0) {
        // L2 exits before its next instruction, and L1 gets that as the NMI's exit (nested/l2_exits.cpp).
        vcpu.timer_loaded = 0;
        return hw.write(F::vmx_preemption_timer_value, 0);
    }
    const auto pending{static_cast<std::uint32_t>(hw.read(F::vm_entry_interruption_information))};
    const auto state{static_cast<std::uint32_t>(hw.read(F::guest_interruptibility_state))};
    constexpr std::uint32_t blocking{vmx::interruptibility::blocking_by_nmi |
                                     vmx::interruptibility::blocking_by_mov_ss |
                                     vmx::interruptibility::blocking_by_sti};
    if (vmx::interruption::is_valid(pending) || (state & blocking) != 0 || !cpu::take_pending_nmi()) return;
    hw.write(F::vm_entry_interruption_information,
             vmx::interruption::make(vmx::vector::nmi, vmx::EventType::nmi));
}

// A trapped VMREAD or VMWRITE, which may come in dozens in a round trip. False where it is to go the common
// way, as one exit of 64 does in any case: nobody waits long for what else an exit has to look at.
[[nodiscard]] bool handle_access(Vcpu& vcpu, std::uint32_t reason, std::uint64_t now) {
    constexpr std::uint64_t most_in_a_row{64};
    if (vcpu.statistics.vm_exits % most_in_a_row == 0) return false;
    const bool is_done{reason == static_cast<std::uint32_t>(vmcs::ExitReason::vmread)
                           ? access_plainly<link::Access::read>(vcpu)
                           : reason == static_cast<std::uint32_t>(vmcs::ExitReason::vmwrite) &&
                                 access_plainly<link::Access::write>(vcpu)};
    if (!is_done) return false;
    if (vcpu.reason != vmcs::no_round_trip) vcpu.statistics.l0_ticks += cpu::rdtsc() - now;
    return true;
}

} // namespace

void stop_l1(Vcpu& vcpu, const char* why) {
    cpu::begin_last_words();
    auto& hw{vcpu.hardware};
    cpu::console_write("shadowtune: L1 stopped: ");
    cpu::console_write(why);
    cpu::console_write(vcpu.runs_l2 ? " (in L2)" : " (in L1)");
    write_line(" vcpu ", vcpu.number);
    write_line(" reason ", hw.read(F::exit_reason));
    write_line(" qualification ", hw.read(F::exit_qualification));
    write_line(" rip ", hw.read(F::guest_rip));
    write_line(" rsp ", hw.read(F::guest_rsp));
    write_line(" cr0 ", hw.read(F::guest_cr0));
    write_line(" cr3 ", hw.read(F::guest_cr3));
    write_line(" cr4 ", hw.read(F::guest_cr4));
    write_line(" efer ", hw.read(F::guest_ia32_efer));
    write_line(" cs ", hw.read(F::guest_cs_selector));
    write_line(" rax ", vcpu.registers.rax());
    write_line(" rcx ", vcpu.registers.rcx());
    write_line(" idt-vectoring ", hw.read(F::idt_vectoring_information));
    cpu::console_write("\n");
    if (the_commands != nullptr) {
        the_commands->log(link::LogLevel::error, std::string_view{"L1 stopped: "});
        the_commands->log(link::LogLevel::error, std::string_view{why, __builtin_strlen(why)});
        the_commands->drain();
    }
    cpu::end_machine();
}

extern "C" {

vmx::Entry handle_exit(Vcpu& vcpu);
vmx::Entry handle_entry_failure(Vcpu& vcpu);

vmx::Entry handle_exit(Vcpu& vcpu) {
    const std::uint64_t now{cpu::rdtsc()};
    if (cpu::is_stopping()) [[unlikely]]
        cpu::stop_here();
    vcpu.exit_tsc = now;
    ++vcpu.statistics.vm_exits;
    const auto reason{static_cast<std::uint32_t>(vcpu.hardware.read(F::exit_reason))};
    const bool ran_l2{vcpu.runs_l2};
    if (ran_l2) {
        handle_l2_exit(vcpu, reason);
    } else {
        vcpu.vmcs01.launched = true;
        if (reason == static_cast<std::uint32_t>(vmcs::ExitReason::vmresume)) [[likely]] {
            emulate_vmresume(vcpu);
        } else if (handle_access(vcpu, reason, now)) {
            return vmx::Entry::resume;
        } else {
            handle_l1_exit(vcpu, reason);
        }
    }
    const bool must_hold{is_bootstrap(vcpu) && the_commands->poll(vcpu, vcpu.exit_tsc)};
    if (!vcpu.mailbox.is_empty() || vcpu.init_is_blocked) [[unlikely]]
        take_mail(vcpu);
    if (vcpu.runs_l2) {
        load_l2_timer(vcpu);
    } else if (!ran_l2 && !shadow::is_at_newest(vcpu)) [[unlikely]] { // at L2's exit that has been done
        shadow::move_to_newest(vcpu);
    }
    pass_on_nmi(vcpu);
    // Exits of L2 that L0 kept are no part of a round trip.
    if (vcpu.reason != vmcs::no_round_trip && !(ran_l2 && vcpu.runs_l2)) {
        const std::uint64_t end{cpu::rdtsc()};
        // L1's MSR lists may set the TSC.
        if (end > vcpu.exit_tsc) vcpu.statistics.l0_ticks += end - vcpu.exit_tsc;
        if (vcpu.runs_l2) {
            const std::uint64_t whole{end - vcpu.l2_exit_tsc};
            if (whole <= link::longest_timed_round_trip) vcpu.statistics.round_trip_ticks += whole;
        }
    }
    // An INIT that is blocked is no part of a saved state: it first comes through.
    const bool holds{must_hold && !vcpu.init_is_blocked};
    if (holds || vcpu.machine.turns.is_called()) [[unlikely]] {
        if (holds) {
            the_commands->hold(vcpu);
        } else {
            stand_still_if_called(vcpu);
        }
        if (vcpu.runs_l2) load_l2_timer(vcpu); // L1's has gone on
        pass_on_nmi(vcpu);
    }
    return current_vmcs(vcpu).launched ? vmx::Entry::resume : vmx::Entry::launch;
}

// The processor found in vmcs02 what L0's checks of vmcs12 let pass: L1 gets the processor's own error.
vmx::Entry handle_entry_failure(Vcpu& vcpu) {
    const std::uint64_t error{vcpu.hardware.read(F::vm_instruction_error)};
    if (!vcpu.runs_l2) cpu::panic("entry of L1 refused; VM-instruction error", error);
    vcpu.runs_l2 = false;
    // L1 goes on handling the exit that it was handling: that round trip has not ended after all.
    if (vcpu.reason != vmcs::no_round_trip) {
        --vcpu.statistics.round_trips;
        --vcpu.statistics.round_trips_by_reason[vcpu.reason];
        vcpu.l2_exit_tsc = cpu::rdtsc(); // its ticks until now are counted
    }
    vcpu.shadow.settle(vcpu.hardware);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    vcpu.vmcs12.mark_dirty(vcpu.machine.offered_fields - vcpu.vmcs12.in_vmcs02());
    vm_fail(vcpu, static_cast<vmx::InstructionError>(error));
    return vmx::Entry::resume;
}
}

void serve_link(Vcpu& vcpu) {
    if (is_bootstrap(vcpu)) the_commands->serve(vcpu);
}

void run_bootstrap_processor(Vcpu& vcpu, shadow::Commands& commands) {
    the_commands = &commands;
    vmx::vmx_first_entry(vcpu.stack, vmx::Entry::launch);
}

void run_application_processor(Vcpu& vcpu) {
    wait_for_first_startup(vcpu); // or until an L1 is restored
    vmx::vmx_first_entry(vcpu.stack, vmx::Entry::launch);
}

} // namespace shadowtune::nested
