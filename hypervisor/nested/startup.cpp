#include "hypervisor/nested/startup.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/init_state.hpp"
#include "hypervisor/nested/run.hpp"
#include "hypervisor/nested/sleep.hpp"
#include "hypervisor/nested/standstill.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/shadow/shadowing.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <optional>

namespace shadowtune::nested {

namespace {

using vmcs::ExitReason;

// What L0 does for itself while a vCPU waits for a start-up IPI. vmcs01 or vmcs02 is current, and stays so,
// but where an L1 is restored meanwhile.
void serve_while_waiting(Vcpu& vcpu) {
    if (cpu::is_stopping()) cpu::stop_here();
    stand_still_if_called(vcpu);
    serve_link(vcpu);
    if (shadow::is_at_newest(vcpu)) return;
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    shadow::move_to_newest(vcpu);
    if (vcpu.runs_l2) vcpu.hardware.make_current(vcpu.vmcs02.region);
}

// The next start-up IPI's vector; none where an L1 was restored that does not wait here. All else is blocked
// meanwhile: INIT, NMI, SMI, interrupts.
[[nodiscard]] std::optional<std::uint8_t> wait_for_startup(Vcpu& vcpu) {
    vcpu.waits_for_startup = true;
    for (;;) {
        const Mail mail{vcpu.mailbox.take()};
        if (mail.freeze) shadow::freeze_counters(vcpu);
        if (mail.startup) {
            vcpu.waits_for_startup = false;
            return mail.startup_vector;
        }
        serve_while_waiting(vcpu);
        if (!vcpu.waits_for_startup) return std::nullopt;
        sleep_until_mail(vcpu);
    }
}

void start_l1_at(Vcpu& vcpu, std::uint8_t vector) {
    write_startup_state(vcpu, vector);
    // One that came while all was blocked is gone.
    static_cast<void>(cpu::take_pending_nmi());
}

void reset_l1(Vcpu& vcpu, const Mail& mail) {
    write_init_state(vcpu);
    reset_local_apic(vcpu);
    // The bootstrap processor begins at its reset vector at once (9.4.1).
    if (is_bootstrap(vcpu)) return;
    const std::optional<std::uint8_t> vector{mail.startup ? mail.startup_vector : wait_for_startup(vcpu)};
    if (vector) start_l1_at(vcpu, *vector);
}

// An exit that comes of no event and interrupts none (28.2.2, 28.2.4), whatever L2's last exit was.
void forget_event_information(vmx::Hardware& hw) {
    hw.write(F::vm_exit_interruption_information, 0);
    hw.write(F::idt_vectoring_information, 0);
}

// An event that the entry injects is delivered before the processor looks at INIT.
[[nodiscard]] bool injects_event(Vcpu& vcpu) {
    return vmx::interruption::is_valid(
        static_cast<std::uint32_t>(vcpu.hardware.read(F::vm_entry_interruption_information)));
}

// What an INIT does depends on what the processor is doing; a start-up IPI behind it counts only where it
// waits for one then.
void take_init(Vcpu& vcpu, const Mail& mail) {
    if (vcpu.runs_l2) {
        vcpu.init_is_blocked = injects_event(vcpu);
        if (vcpu.init_is_blocked) return; // L2's next exit tries again: that of L0's timer at the latest
        forget_event_information(vcpu.hardware);
        return deliver_exit_to_l1(vcpu, ExitOverride{static_cast<std::uint32_t>(ExitReason::init_signal)});
    }
    // 24.8: blocked in VMX root operation until VMXOFF or the next VM entry.
    vcpu.init_is_blocked = vcpu.in_vmx_operation;
    if (!vcpu.in_vmx_operation) reset_l1(vcpu, mail);
}

} // namespace

void take_mail(Vcpu& vcpu) {
    const Mail mail{vcpu.mailbox.take()};
    if (mail.freeze) shadow::freeze_counters(vcpu);
    if (mail.init || vcpu.init_is_blocked) take_init(vcpu, mail);
}

void take_init_signal(Vcpu& vcpu) {
    // The exit takes the signal back (Vol. 3C, 26.2). Bochs 2.7 leaves it asserted, so that L1 would never
    // execute another instruction.
    constexpr unsigned most_in_a_row{3};
    const bool again{vcpu.statistics.vm_exits == vcpu.last_init_exit + 1};
    vcpu.last_init_exit = vcpu.statistics.vm_exits;
    vcpu.init_exits_in_a_row = again ? vcpu.init_exits_in_a_row + 1 : 1;
    if (vcpu.init_exits_in_a_row == most_in_a_row) stop_l1(vcpu, "INIT signal that stays asserted");
    vcpu.mailbox.post_init();
}

void wait_for_first_startup(Vcpu& vcpu) {
    write_init_state(vcpu);
    if (const auto vector{wait_for_startup(vcpu)}) start_l1_at(vcpu, *vector);
}

void wait_for_startup_of_l2(Vcpu& vcpu) {
    const auto vector{wait_for_startup(vcpu)};
    if (!vector) cpu::panic("L2 waited for a start-up IPI, and its L1 is another now; vCPU", vcpu.number);
    vcpu.exit_tsc = cpu::rdtsc();
    forget_event_information(vcpu.hardware);
    deliver_exit_to_l1(vcpu, ExitOverride{static_cast<std::uint32_t>(ExitReason::startup_ipi), *vector});
    // vmcs02 never ran in this state: the next entry must find it in vmcs12 (nested/enter_l2.cpp).
    fetch_field(vcpu, vmcs::index_of(F::guest_activity_state));
}

void await_delivery_of_init(const Vcpu& sender) {
    const Machine& machine{sender.machine};
    const std::uint64_t start{cpu::rdtsc()};
    // Each processor comes to L0 at least this often.
    const std::uint64_t longest{2 * machine.link.longest_interval()};
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        const Vcpu& target{*machine.vcpus[i]};
        while (&target != &sender && target.mailbox.has_init() && cpu::rdtsc() - start < longest) {
            if (cpu::is_stopping()) cpu::stop_here();
            asm volatile("pause");
        }
    }
}

} // namespace shadowtune::nested
