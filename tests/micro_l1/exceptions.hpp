#pragma once

// L1's own interrupt handling: reports what nobody expected and stops; lets a caller expect a fault.

#include <cstdint>

namespace shadowtune::micro_l1 {

// As the stubs push it.
struct InterruptFrame {
    std::uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};

struct Fault {
    bool happened;
    std::uint8_t vector;
    std::uint32_t error_code;
};

struct [[gnu::packed]] GateDescriptor {
    std::uint16_t offset_low;
    std::uint16_t selector;
    std::uint16_t attributes;
    std::uint16_t offset_middle;
    std::uint32_t offset_high;
    std::uint32_t reserved;
};
static_assert(sizeof(GateDescriptor) == 16);

// Fills and loads L1's IDT and masks the 8259s: no interrupt reaches L1 unless a script asks for it.
void exceptions_init();

// The IDT that L2 runs with in the feature tests, and what its handlers saw.
struct L2Events {
    std::uint64_t count;
    std::uint64_t vector;
    std::uint64_t error_code;
    std::uint64_t rip;
    std::uint64_t by_vector[256];
};
[[nodiscard]] std::uint64_t l1_idt_address();
[[nodiscard]] std::uint64_t l2_idt_address();
[[nodiscard]] volatile L2Events& l2_events();
void clear_l2_events();

// Interrupts (vector 32 and up) and NMIs that reached L1 since the last call with this vector.
[[nodiscard]] std::uint64_t take_l1_interrupts(std::uint8_t vector);

namespace detail {
[[nodiscard]] Fault run_guarded(void (*function)(void*), void* argument);
}

// Runs `body`; a fault in it ends it and is returned. Nothing in `body` may need a destructor.
template <typename Body>
[[nodiscard]] Fault guarded(Body body) {
    return detail::run_guarded([](void* argument) { (*static_cast<Body*>(argument))(); }, &body);
}

} // namespace shadowtune::micro_l1
