// Features: events that L1 injects, exceptions that exit, and windows.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t flag_interrupts{0x200};
constexpr std::uint64_t valid{std::uint64_t{1} << 31};
constexpr std::uint64_t deliver_error_code{1U << 11};
// Interruption types, bits 10:8 (SDM Vol. 3C, Table 25-17).
constexpr std::uint64_t type_nmi{2U << 8};
constexpr std::uint64_t type_hardware_exception{3U << 8};
constexpr std::uint64_t type_software_interrupt{4U << 8};
constexpr std::uint64_t not_mapped{std::uint64_t{1} << 39}; // linear: the first address of PML4 entry 1

[[nodiscard]] Controls with(std::uint32_t pin, std::uint32_t cpu) {
    const Controls basic{basic_controls()};
    return {basic.pin | pin, basic.cpu | cpu, basic.cpu2, basic.exit, basic.entry};
}

void l2_just_done() {
    l2_done();
}

struct Injection {
    std::string_view test;
    std::uint64_t information; // without the valid bit
    std::uint64_t error_code;
    std::uint64_t instruction_length;
    std::uint64_t activity_state;
};

// The event is delivered through L2's IDT before L2's first instruction.
void inject(const Injection& event) {
    L2 l2{event.test};
    if (!l2.prepare(with(0, 0), feature_ept(), l2_just_done)) return;
    set(Field::guest_rflags, 2 | flag_interrupts);
    set(Field::guest_activity_state, event.activity_state);
    set(Field::vm_entry_interruption_information, valid | event.information);
    set(Field::vm_entry_exception_error_code, event.error_code);
    set(Field::vm_entry_instruction_length, event.instruction_length);
    if (!l2.run_to_done({})) return;
    const volatile L2Events& seen{l2_events()};
    l2.same("events in L2", 1, seen.count);
    l2.same("vector", event.information & 0xFF, seen.vector);
    l2.same("error code", event.error_code, seen.error_code);
    l2.same("pushed RIP", reinterpret_cast<std::uint64_t>(&l2_just_done) + event.instruction_length,
            seen.rip);
    l2.same("valid bit after the exit", 0, get(Field::vm_entry_interruption_information) & valid);
    l2.same("activity state after the exit", 0, get(Field::guest_activity_state));
    l2.conclude();
}

void injections() {
    inject({"features.inject-interrupt", 0x40, 0, 0, 0});
    inject({"features.inject-nmi", type_nmi | 2, 0, 0, 0});
    inject({"features.inject-exception", type_hardware_exception | 1, 0, 0, 0});
    inject({"features.inject-error-code", type_hardware_exception | deliver_error_code | 13, 0x1238, 0, 0});
    // HLT: the event wakes L2.
    inject({"features.inject-interrupt-in-hlt", 0x41, 0, 0, 1});
}

// Back to where INT n would have returned: RIP plus the length that L1 gave.
void software_interrupt() {
    L2 l2{"features.inject-software-interrupt"};
    if (!l2.prepare(with(0, 0), feature_ept(), l2_just_done)) return;
    constexpr std::uint64_t length{2};
    const std::uint64_t start{get(Field::guest_rip)};
    set(Field::guest_rip, start - length);
    set(Field::vm_entry_interruption_information, valid | type_software_interrupt | 0x55);
    set(Field::vm_entry_instruction_length, length);
    if (!l2.run_to_done({})) return;
    l2.same("vector", 0x55, l2_events().vector);
    l2.same("pushed RIP", start, l2_events().rip);
    l2.conclude();
}

// Delivery that cannot reach L2's IDT: the exit tells what was being delivered (Vol. 3C, 28.2.4).
void vectoring() {
    L2 l2{"features.idt-vectoring"};
    Page& hole{scratch_page(0)};
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&hole), 0, 0);
    if (!l2.prepare(with(0, 0), ept, l2_just_done)) return;
    flush_ept();
    set(Field::guest_idtr_base, physical(&hole));
    set(Field::vm_entry_interruption_information, valid | type_hardware_exception | deliver_error_code | 13);
    set(Field::vm_entry_exception_error_code, 0x5678);
    const bool violated{l2.go_to(ExitReason::ept_violation)};
    if (violated) {
        l2.same("vectoring information", valid | type_hardware_exception | deliver_error_code | 13,
                get(Field::idt_vectoring_information));
        l2.same("vectoring error code", 0x5678, get(Field::idt_vectoring_error_code));
        l2.same("guest-physical address", physical(&hole) + 13 * 16,
                get(Field::guest_physical_address) & ~0xFULL);
    }
    ept.map_identity();
    flush_ept();
    if (violated) l2.conclude();
}

void l2_undefined() {
    asm volatile("ud2"); // the handler of L2 steps over it
    l2_done();
}

void exception_bitmap() {
    L2 l2{"features.exception-exits"};
    if (!l2.prepare(with(0, 0), feature_ept(), l2_undefined)) return;
    set(Field::exception_bitmap, 1U << 6);
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    l2.same("interruption information", valid | type_hardware_exception | 6,
            get(Field::vm_exit_interruption_information) & ~std::uint64_t{0x1000});
    l2.same("events in L2", 0, l2_events().count);
    l2.conclude();

    L2 open{"features.exception-does-not-exit"};
    if (!open.prepare(with(0, 0), feature_ept(), l2_undefined)) return;
    set(Field::exception_bitmap, ~std::uint64_t{1U << 6});
    if (!open.run_to_done({})) return;
    open.same("#UD in L2", 1, l2_events().by_vector[6]);
    open.conclude();
}

void l2_page_fault() {
    asm volatile("movb (%0), %%cl"
                 :
                 : "a"(not_mapped)
                 : "rcx"); // two bytes long: the handler of L2 steps over it
    l2_done();
}

// Bit 14 is turned round where (error code & mask) != match (Vol. 3C, 25.6.3).
void page_faults() {
    L2 l2{"features.page-fault-exits"};
    if (!l2.prepare(with(0, 0), feature_ept(), l2_page_fault)) return;
    set(Field::exception_bitmap, 1U << 14);
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    l2.same("interruption information", valid | type_hardware_exception | deliver_error_code | 14,
            get(Field::vm_exit_interruption_information) & ~std::uint64_t{0x1000});
    l2.same("error code", 0, get(Field::vm_exit_interruption_error_code));
    l2.same("qualification: the linear address", not_mapped, l2.qualification);
    l2.conclude();

    L2 filtered{"features.page-fault-filtered"};
    if (!filtered.prepare(with(0, 0), feature_ept(), l2_page_fault)) return;
    set(Field::exception_bitmap, 1U << 14);
    set(Field::page_fault_error_code_mask, 2); // only writes exit
    set(Field::page_fault_error_code_match, 2);
    if (!filtered.run_to_done({})) return;
    filtered.same("#PF in L2", 1, l2_events().by_vector[14]);
    filtered.conclude();
}

void l2_opens_interrupts() {
    asm volatile("sti\n\tnop\n\tnop" : : : "memory");
    l2_done();
}

void interrupt_window() {
    L2 l2{"features.interrupt-window"};
    const Controls controls{with(0, cpu_interrupt_window)};
    if (!l2.prepare(controls, feature_ept(), l2_opens_interrupts)) return;
    // IF = 0 until STI, and one instruction longer.
    if (!l2.go_to(ExitReason::interrupt_window)) return;
    l2.same("RFLAGS.IF", flag_interrupts, get(Field::guest_rflags) & flag_interrupts);
    set(Field::primary_processor_based_controls, controls.cpu & ~cpu_interrupt_window);
    if (!l2.run_to_done({})) return;

    if (!l2.prepare(controls, feature_ept(), l2_just_done)) return;
    set(Field::guest_rflags, 2 | flag_interrupts);
    if (!l2.go_to(ExitReason::interrupt_window)) return;
    l2.same("RIP with the window open: no instruction runs", reinterpret_cast<std::uint64_t>(&l2_just_done),
            get(Field::guest_rip));
    l2.conclude();
}

void l2_ends_nmi() {
    l2_call(1);
    // IRET ends blocking by NMI, whatever it returns from.
    asm volatile(
        "movq %%rsp, %%rax\n\t"
        "pushq $0x10\n\tpushq %%rax\n\tpushq $2\n\tpushq $8\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\t"
        "iretq\n1:\tnop"
        :
        :
        : "rax", "memory");
    l2_done();
}

void nmi_window() {
    constexpr std::string_view test{"features.nmi-window"};
    const Controls controls{with(pin_nmi | pin_virtual_nmis, cpu_nmi_window)};
    if (!supported(controls)) {
        skip(test, "the processor lacks virtual NMIs");
        return;
    }
    L2 l2{test};
    if (!l2.prepare(controls, feature_ept(), l2_just_done)) return;
    if (!l2.go_to(ExitReason::nmi_window)) return;
    l2.same("RIP with the window open: no instruction runs", reinterpret_cast<std::uint64_t>(&l2_just_done),
            get(Field::guest_rip));

    constexpr std::uint64_t blocking_by_nmi{8};
    if (!l2.prepare(controls, feature_ept(), l2_ends_nmi)) return;
    set(Field::guest_interruptibility_state, blocking_by_nmi);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("blocking by NMI", blocking_by_nmi, get(Field::guest_interruptibility_state));
    l2.skip_instruction();
    if (!l2.go_to(ExitReason::nmi_window)) return;
    l2.same("blocking by NMI after IRET", 0, get(Field::guest_interruptibility_state));
    l2.conclude();
}

} // namespace

void test_events() {
    feature_ept().map_identity();
    injections();
    software_interrupt();
    vectoring();
    exception_bitmap();
    page_faults();
    interrupt_window();
    nmi_window();
}

} // namespace shadowtune::micro_l1
