#include "hypervisor/cpu/descriptors.hpp"

#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"

namespace shadowtune::cpu {

namespace {

struct [[gnu::packed]] Gate {
    std::uint16_t offset_low, selector;
    std::uint8_t ist, type;
    std::uint16_t offset_middle;
    std::uint32_t offset_high, reserved;
};

struct [[gnu::packed]] TablePointer {
    std::uint16_t limit;
    std::uint64_t base;
};

struct Fixup {
    std::uint64_t fault, resume;
};

constexpr unsigned vectors{32};
alignas(16) Gate idt[vectors];

constexpr unsigned nmi_vector{2};
constexpr unsigned double_fault_vector{8};
constexpr std::uint8_t interrupt_gate{0x8E};

} // namespace

extern "C" {
extern const std::uint8_t exception_stubs[];
extern const std::uint8_t halt_look[];
extern const std::uint8_t halt_end[];
extern const Fixup fixup_table_start[];
extern const Fixup fixup_table_end[];

void handle_exception(ExceptionFrame* frame);

void handle_exception(ExceptionFrame* frame) {
    if (frame->vector == nmi_vector) {
        this_processor().nmi_pending = true;
        const auto address{[](const std::uint8_t* label) { return reinterpret_cast<std::uint64_t>(label); }};
        if (frame->rip >= address(halt_look) && frame->rip < address(halt_end))
            frame->rip = address(halt_end);
        return;
    }
    for (const Fixup* entry{fixup_table_start}; entry != fixup_table_end; ++entry) {
        if (entry->fault == frame->rip) {
            frame->rip = entry->resume;
            return;
        }
    }
    panic_exception(*frame);
}
}

namespace {

// One for all processors: the first to come here fills it, and the others start after it.
void fill_idt() {
    if (idt[0].type != 0) return;
    // Stubs lie 16 bytes apart (cpu/exceptions.S).
    for (unsigned vector{0}; vector < vectors; ++vector) {
        const auto address{reinterpret_cast<std::uint64_t>(exception_stubs) + vector * 16};
        const bool own_stack{vector == double_fault_vector};
        idt[vector] = {static_cast<std::uint16_t>(address),
                       code_selector,
                       static_cast<std::uint8_t>(own_stack ? 1 : 0),
                       interrupt_gate,
                       static_cast<std::uint16_t>(address >> 16),
                       static_cast<std::uint32_t>(address >> 32),
                       0};
    }
}

void fill_tables(Processor& processor) {
    auto& gdt{processor.gdt};
    gdt[1] = 0x00AF9B000000FFFF; // 64-bit code, present, accessed
    gdt[2] = 0x00CF93000000FFFF; // data
    const auto base{reinterpret_cast<std::uint64_t>(&processor.tss)};
    gdt[3] = (sizeof(TaskState) - 1) | ((base & 0xFFFFFF) << 16) | (std::uint64_t{0x89} << 40) |
             ((base >> 24 & 0xFF) << 56);
    gdt[4] = base >> 32;
    processor.tss.ist[0] =
        reinterpret_cast<std::uint64_t>(processor.fault_stack + sizeof(processor.fault_stack));
    processor.tss.io_map_base = sizeof(TaskState);
    processor.self = &processor;
}

} // namespace

void load_descriptors(Processor& processor) {
    fill_idt();
    fill_tables(processor);
    const TablePointer gdt_pointer{sizeof(processor.gdt) - 1, reinterpret_cast<std::uint64_t>(processor.gdt)};
    const TablePointer idt_pointer{sizeof(idt) - 1, reinterpret_cast<std::uint64_t>(idt)};
    asm volatile("lgdt %0\n"
                 "lidt %1\n"
                 "push %2\n"
                 "lea 1f(%%rip), %%rax\n"
                 "push %%rax\n"
                 "lretq\n"
                 "1: mov %3, %%ds\n"
                 "mov %3, %%es\n"
                 "mov %3, %%ss\n"
                 "ltr %w4\n"
                 :
                 : "m"(gdt_pointer), "m"(idt_pointer), "i"(static_cast<std::uint64_t>(code_selector)),
                   "r"(static_cast<std::uint32_t>(data_selector)), "r"(task_selector)
                 : "rax", "memory");
    wrmsr(msr::gs_base, reinterpret_cast<std::uint64_t>(&processor));
}

DescriptorBases descriptor_bases() {
    const Processor& processor{this_processor()};
    return {reinterpret_cast<std::uint64_t>(processor.gdt), reinterpret_cast<std::uint64_t>(idt),
            reinterpret_cast<std::uint64_t>(&processor.tss), reinterpret_cast<std::uint64_t>(&processor)};
}

void set_nmi_pending() {
    this_processor().nmi_pending = true;
}

bool take_pending_nmi() {
    volatile bool& nmi_pending{this_processor().nmi_pending};
    const bool pending{nmi_pending};
    if (pending) nmi_pending = false;
    return pending;
}

} // namespace shadowtune::cpu
