#pragma once

// L0's own GDT, TSS and IDT. VM exits load the selectors and bases named here (SDM Vol. 3C, 28.5.2).

#include "hypervisor/cpu/processor.hpp"

#include <cstdint>

namespace shadowtune::cpu {

inline constexpr std::uint16_t code_selector{0x08};
inline constexpr std::uint16_t data_selector{0x10};
inline constexpr std::uint16_t task_selector{0x18};

struct DescriptorBases {
    std::uint64_t gdt;
    std::uint64_t idt;
    std::uint64_t tss;
    std::uint64_t gs;
};

// Makes `processor` the block of the processor that calls: its GDT, TSS and GS.base, and the IDT that all
// share. To be called again after L0's page tables change their virtual address (never).
void load_descriptors(Processor& processor);
// Of the processor that calls.
[[nodiscard]] DescriptorBases descriptor_bases();

// What an exception handler sees; the order is the one in which cpu/exceptions.S pushes.
struct ExceptionFrame {
    std::uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    std::uint64_t vector, error_code;
    std::uint64_t rip, cs, rflags, rsp, ss;
};

// True once since the last call where an NMI came to this processor while L0 ran: it belongs to the guest.
[[nodiscard]] bool take_pending_nmi();
// The same, but it stays pending.
[[nodiscard]] inline bool is_nmi_pending() {
    return this_processor().nmi_pending;
}
// As if one had come: it was pending when this guest was saved.
void set_nmi_pending();

// HLT until an NMI comes, unless the word is not 0; an NMI that comes between the look and the HLT ends it as
// well. Interrupts are off.
extern "C" void halt_while_zero(const void* word);

} // namespace shadowtune::cpu
