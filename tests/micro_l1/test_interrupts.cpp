// Features: real interrupts (the 8254 through the 8259s) while L2 runs.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t flag_interrupts{0x200};
constexpr std::uint8_t first_vector{0x20};
constexpr std::uint16_t master{0x20};
constexpr std::uint16_t slave{0xA0};

// IRQ 0 on vector 20H, all others masked; one interrupt about every millisecond.
void start_timer() {
    constexpr std::uint16_t divisor{1193};
    out8(master, 0x11);
    out8(master + 1, first_vector);
    out8(master + 1, 4);
    out8(master + 1, 1);
    out8(slave, 0x11);
    out8(slave + 1, first_vector + 8);
    out8(slave + 1, 2);
    out8(slave + 1, 1);
    out8(slave + 1, 0xFF);
    out8(0x43, 0x34);
    out8(0x40, divisor & 0xFF);
    out8(0x40, divisor >> 8);
    out8(master + 1, 0xFE);
}

void stop_timer() {
    out8(master + 1, 0xFF);
    out8(0x43, 0x30); // one shot, as far away as it goes
    out8(0x40, 0xFF);
    out8(0x40, 0xFF);
    out8(master, 0x20);
}

void end_of_interrupt() {
    out8(master, 0x20);
}

void l2_spins() {
    for (;;)
        asm volatile("pause");
}

void interrupt_exits(std::string_view test, bool acknowledge) {
    const Controls basic{basic_controls()};
    // The timer is a backstop: an interrupt that never exits must be a FAIL, not a hang.
    const Controls controls{basic.pin | pin_external_interrupt | pin_preemption_timer, basic.cpu, basic.cpu2,
                            basic.exit | (acknowledge ? exit_acknowledge : 0U), basic.entry};
    if (!supported(controls)) {
        skip(test, "the processor lacks a control for it");
        return;
    }
    L2 l2{test};
    constexpr std::uint64_t valid{std::uint64_t{1} << 31};
    (void)take_l1_interrupts(first_vector);
    if (!l2.prepare(controls, feature_ept(), l2_spins)) return;
    set(Field::guest_rflags, 2 | flag_interrupts);
    set(Field::vmx_preemption_timer_value, 0x8000000);
    start_timer();
    const bool exited{l2.go_to(ExitReason::external_interrupt)};
    if (exited && acknowledge) {
        l2.same("interruption information", valid | first_vector,
                get(Field::vm_exit_interruption_information));
        l2.same("interrupts delivered to L1", 0, take_l1_interrupts(first_vector));
    } else if (exited) {
        l2.same("valid bit", 0, get(Field::vm_exit_interruption_information) & valid);
        // It is still pending: L1 gets it through its own IDT as soon as it lets it.
        asm volatile("sti\n\tnop\n\tcli" : : : "memory");
        l2.same("interrupts delivered to L1", 1, take_l1_interrupts(first_vector));
    }
    end_of_interrupt();
    stop_timer();
    if (exited) l2.conclude();
}

// Without external-interrupt exiting L2 takes it through its own IDT.
void interrupt_in_l2() {
    constexpr std::string_view test{"features.interrupt-straight-to-l2"};
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin | pin_preemption_timer, basic.cpu, basic.cpu2, basic.exit, basic.entry};
    L2 l2{test};
    if (!l2.prepare(controls, feature_ept(), l2_spins)) return;
    set(Field::guest_rflags, 2 | flag_interrupts);
    set(Field::vmx_preemption_timer_value, 0x100000);
    start_timer();
    const bool exited{l2.go_to(ExitReason::preemption_timer_expired)};
    end_of_interrupt();
    stop_timer();
    if (!exited) return;
    // One, since nobody acknowledges it at the 8259 before the end.
    l2.same("interrupts in L2", 1, l2_events().by_vector[first_vector]);
    l2.conclude();
}

} // namespace

void test_interrupts() {
    interrupt_exits("features.interrupt-exit", false);
    interrupt_exits("features.interrupt-exit-acknowledged", true);
    interrupt_in_l2();
}

} // namespace shadowtune::micro_l1
