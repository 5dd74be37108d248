#pragma once

// What L0 keeps for each logical processor apart from its vCPU: descriptor tables, the stack of faults, and
// an NMI that came while L0 ran. GS.base points to it, in L0 and after each VM exit (HOST_GS_BASE).

#include <cstdint>

namespace shadowtune::cpu {

struct [[gnu::packed]] TaskState {
    std::uint32_t reserved0;
    std::uint64_t rsp[3];
    std::uint64_t reserved1;
    std::uint64_t ist[7];
    std::uint64_t reserved2;
    std::uint16_t reserved3;
    std::uint16_t io_map_base;
};

struct Processor {
    Processor* self{nullptr}; // first: this_processor() reads it at offset 0
    volatile bool nmi_pending{false};
    alignas(16) std::uint64_t gdt[5]{};
    alignas(16) TaskState tss{};
    alignas(16) std::uint8_t fault_stack[8192]{};
};

// After load_descriptors() only.
[[nodiscard]] inline Processor& this_processor() {
    Processor* processor{nullptr};
    asm("mov %%gs:0, %0" : "=r"(processor));
    return *processor;
}

} // namespace shadowtune::cpu
