#include "hypervisor/nested/sleep.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/devices/local_apic.hpp"

namespace shadowtune::nested {

namespace {

// An NMI handler that the guest did not leave blocks NMIs in L0, too; IRET ends that (SDM Vol. 3A, 7.7.1).
void unblock_nmis() {
    asm volatile("mov %%rsp, %%rax\n"
                 "push %0\n"
                 "push %%rax\n"
                 "pushfq\n"
                 "push %1\n"
                 "lea 1f(%%rip), %%rax\n"
                 "push %%rax\n"
                 "iretq\n"
                 "1:\n"
                 :
                 : "i"(static_cast<std::uint64_t>(cpu::data_selector)),
                   "i"(static_cast<std::uint64_t>(cpu::code_selector))
                 : "rax", "memory", "cc");
}

} // namespace

void sleep_until_mail(Vcpu& vcpu) {
    const auto& waker{vcpu.machine.vcpus[0]->apic};
    if (is_bootstrap(vcpu) || waker.mode == ApicMode::disabled) {
        asm volatile("pause");
        return;
    }
    unblock_nmis();
    cpu::leave_running();
    vcpu.sleep = Sleep::asleep;
    cpu::halt_while_zero(&vcpu.mailbox.word());
    // The NMI is on its way: it must find this processor in L0.
    if (vcpu.sleep.exchange(Sleep::awake) == Sleep::woken) {
        while (!cpu::take_pending_nmi())
            asm volatile("pause");
    }
    cpu::join_running();
}

void wake(Vcpu& vcpu) {
    Sleep state{Sleep::asleep};
    if (vcpu.sleep.compare_exchange_strong(state, Sleep::woken)) devices::LocalApic{}.send_nmi(vcpu.apic.id);
}

void tell_sleepers(const Machine& machine) {
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        Vcpu& vcpu{*machine.vcpus[i]};
        if (!vcpu.waits_for_startup) continue;
        vcpu.mailbox.post_look();
        wake(vcpu);
    }
}

} // namespace shadowtune::nested
