// init: INIT signals that come while L1 is in VMX root operation, by its own local APIC. They are blocked
// until the next VM entry, and L2 exits at once, but not before an event that this entry injects is delivered
// (SDM Vol. 3C, 24.8, 27.6.1, 28.2). Not for the bare lab: Bochs 2.7 leaves the signal asserted after the
// exit.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/exceptions.hpp"
#include "tests/micro_l1/l2_harness.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t valid{1U << 31};
constexpr std::uint64_t interrupts_on{0x202};

// SDM Vol. 3A, 11.6.1; the shorthand "self" is not for INIT.
void send_init_to_self() {
    constexpr std::uint32_t init{5U << 8}, assert_level{1U << 14};
    const auto at{
        [](std::uint64_t offset) { return reinterpret_cast<volatile std::uint32_t*>(0xFEE0'0000 + offset); }};
    *at(0x310) = *at(0x20); // the destination: this APIC's ID
    *at(0x300) = init | assert_level;
}

void l2_waits() {
    for (;;)
        asm volatile("pause");
}

// `vector` 0: nothing is injected.
void init_at_entry(std::string_view test, std::uint64_t vector) {
    const Controls basic{basic_controls()};
    L2 l2{test};
    if (!l2.prepare(basic, feature_ept(), l2_waits)) return;
    // An exit before it, so that its information could be left over.
    set(Field::exception_bitmap, 1U << 6);
    constexpr std::uint8_t undefined[]{0x0F, 0x0B};
    Page& code{scratch_page(0)};
    __builtin_memcpy(&code, undefined, sizeof(undefined));
    set(Field::guest_rip, physical(&code));
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    set(Field::guest_rip, reinterpret_cast<std::uint64_t>(&l2_waits));
    set(Field::guest_rflags, interrupts_on);
    send_init_to_self();
    if (vector != 0) set(Field::vm_entry_interruption_information, valid | vector);
    if (!l2.go_to(ExitReason::init_signal)) return;
    l2.same("events in L2", vector == 0 ? 0 : 1, l2_events().count);
    if (vector != 0) l2.same("vector", vector, l2_events().vector);
    l2.same("interruption information", 0, get(Field::vm_exit_interruption_information) & valid);
    l2.same("vectoring information", 0, get(Field::idt_vectoring_information) & valid);
    l2.same("event of the entry", 0, get(Field::vm_entry_interruption_information) & valid);
    // The next entry has nothing left over.
    set(Field::guest_rip, reinterpret_cast<std::uint64_t>(&l2_done_at_once));
    set(Field::guest_rflags, 2);
    if (!l2.run_to_done({})) return;
    l2.same("events in L2 at last", vector == 0 ? 0 : 1, l2_events().count);
    l2.conclude();
}

} // namespace

void run_init(const Parameters&) {
    feature_ept().map_identity();
    init_at_entry("init.at-entry", 0);
    init_at_entry("init.behind-injected-event", 0x30);
}

} // namespace shadowtune::micro_l1
