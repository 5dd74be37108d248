#include "tests/micro_l1/exceptions.hpp"

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"

namespace shadowtune::micro_l1 {

extern "C" {
extern char micro_l1_stubs[];
extern char micro_l2_stubs[];
int micro_l1_guarded(void (*function)(void*), void* argument);
[[noreturn]] void micro_l1_escape();
int micro_l1_is_guarded();
void micro_l1_interrupt(InterruptFrame* frame);
void micro_l2_interrupt(InterruptFrame* frame);
}

namespace {

constexpr std::size_t stub_size{16};
constexpr std::uint8_t nmi_vector{2};
constexpr std::uint8_t first_interrupt{32};

alignas(16) GateDescriptor g_l1_idt[256];
alignas(16) GateDescriptor g_l2_idt[256];
volatile L2Events g_l2_events;
volatile std::uint64_t g_l1_interrupts[256];
Fault g_fault;

void fill(GateDescriptor (&idt)[256], const char* stubs) {
    for (std::size_t vector{0}; vector < 256; ++vector) {
        const auto target{reinterpret_cast<std::uint64_t>(stubs) + vector * stub_size};
        idt[vector] = {
            static_cast<std::uint16_t>(target),       0x08, 0x8E00, static_cast<std::uint16_t>(target >> 16),
            static_cast<std::uint32_t>(target >> 32), 0};
    }
}

} // namespace

void exceptions_init() {
    fill(g_l1_idt, micro_l1_stubs);
    fill(g_l2_idt, micro_l2_stubs);
    const struct [[gnu::packed]] {
        std::uint16_t limit;
        std::uint64_t base;
    } pointer{sizeof(g_l1_idt) - 1, l1_idt_address()};
    asm volatile("lidt %0" : : "m"(pointer));
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
}

std::uint64_t l1_idt_address() {
    return reinterpret_cast<std::uint64_t>(g_l1_idt);
}
std::uint64_t l2_idt_address() {
    return reinterpret_cast<std::uint64_t>(g_l2_idt);
}
volatile L2Events& l2_events() {
    return g_l2_events;
}

void clear_l2_events() {
    g_l2_events.count = 0;
    g_l2_events.vector = 0;
    g_l2_events.error_code = 0;
    g_l2_events.rip = 0;
    for (auto& count : g_l2_events.by_vector)
        count = 0;
}

std::uint64_t take_l1_interrupts(std::uint8_t vector) {
    const std::uint64_t count{g_l1_interrupts[vector]};
    g_l1_interrupts[vector] = 0;
    return count;
}

Fault detail::run_guarded(void (*function)(void*), void* argument) {
    g_fault = {};
    if (micro_l1_guarded(function, argument) == 0) return {};
    return g_fault;
}

void micro_l1_interrupt(InterruptFrame* frame) {
    if (frame->vector >= first_interrupt || frame->vector == nmi_vector) {
        g_l1_interrupts[frame->vector] = g_l1_interrupts[frame->vector] + 1;
        return;
    }
    if (micro_l1_is_guarded() != 0) {
        g_fault = {true, static_cast<std::uint8_t>(frame->vector),
                   static_cast<std::uint32_t>(frame->error_code)};
        micro_l1_escape();
    }
    std::uint64_t cr2;
    asm volatile("movq %%cr2, %0" : "=r"(cr2));
    print_line("FAIL exception: vector ", frame->vector, " error ", hex(frame->error_code), " rip ",
               hex(frame->rip), " rsp ", hex(frame->rsp), " cr2 ", hex(cr2), " in the micro-L1 itself");
    power_off();
}

void micro_l2_interrupt(InterruptFrame* frame) {
    g_l2_events.count = g_l2_events.count + 1;
    g_l2_events.vector = frame->vector;
    g_l2_events.error_code = frame->error_code;
    g_l2_events.rip = frame->rip;
    g_l2_events.by_vector[frame->vector & 0xFF] = g_l2_events.by_vector[frame->vector & 0xFF] + 1;
    // UD2, and the two-byte load that page-faults, are there to be stepped over: returning to them would
    // fault for ever.
    if (frame->vector == 6 || frame->vector == 14) frame->rip += 2;
}

} // namespace shadowtune::micro_l1
