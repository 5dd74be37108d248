#include "hypervisor/nested/standstill.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/sleep.hpp"
#include "hypervisor/shadow/commands.hpp"

namespace shadowtune::nested {

namespace {

void pause_or_stop() {
    if (cpu::is_stopping()) cpu::stop_here();
    cpu::pause();
}

} // namespace

bool call_others(Vcpu& caller) {
    Machine& machine{caller.machine};
    // Longer than any exit takes. One that sleeps deeply does not come.
    const std::uint64_t longest{1000 * machine.link.longest_interval()};
    const std::uint64_t start{cpu::rdtsc()};
    machine.turns.call();
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        Vcpu& vcpu{*machine.vcpus[i]};
        if (&vcpu == &caller) continue;
        vcpu.mailbox.post_look();
        wake(vcpu);
    }
    while (machine.turns.standing() + 1 != machine.vcpu_count) {
        if (cpu::rdtsc() - start > longest) return false;
        pause_or_stop();
    }
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        const Vcpu& vcpu{*machine.vcpus[i]};
        if (vcpu.mailbox.has_ipi() || vcpu.init_is_blocked) return false;
    }
    return true;
}

void let_others_go(Vcpu& caller) {
    Turns& turns{caller.machine.turns};
    turns.release();
    while (turns.standing() != 0)
        pause_or_stop();
}

void stand_still_if_called(Vcpu& vcpu) {
    Turns& turns{vcpu.machine.turns};
    if (!turns.is_called()) return;
    std::uint64_t start{cpu::rdtsc()};
    const auto work{[&](Turns::Share share, void* argument) {
        const std::uint64_t l2_exit_tsc{vcpu.l2_exit_tsc};
        share(vcpu, argument);
        if (vcpu.l2_exit_tsc != l2_exit_tsc) start = cpu::rdtsc(); // a restored L1's
    }};
    const auto wait{[&] {
        if (vcpu.mailbox.take_freeze()) shadow::freeze_counters(vcpu);
        pause_or_stop();
    }};
    turns.stand(vcpu.number, work, wait);
    // The round trip that was under way has not taken this long.
    vcpu.l2_exit_tsc += cpu::rdtsc() - start;
}

void begin_share(Vcpu& vcpu, Turns::Share share, void* argument) {
    vcpu.machine.turns.begin(vcpu.number, share, argument);
}

void await_share(const Vcpu& vcpu) {
    while (vcpu.machine.turns.is_at_work(vcpu.number))
        pause_or_stop();
}

} // namespace shadowtune::nested
