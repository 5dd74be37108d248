// Features: state of L2's that lives on between its entries, and L2 in real-address mode (unrestricted
// guest).

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t l2_dr7{0x0000'0000'0000'0455};

void l2_changes_dr7_and_efer() {
    constexpr std::uint64_t sce{1};
    write_msr(msr_efer, read_msr(msr_efer) ^ sce);
    asm volatile("movq %0, %%dr7" : : "r"(l2_dr7));
    l2_call(0);
    std::uint64_t dr7{0};
    asm volatile("movq %%dr7, %0" : "=r"(dr7));
    l2_call(dr7, read_msr(msr_efer));
    l2_done();
}

// State that an exit saves and the next entry loads is L2's own, though L1 never looks at it
// (28.3.1, 27.3.2.1).
void state_lives_on() {
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_msr_bitmaps, basic.cpu2, basic.exit | exit_save_debug,
                            basic.entry | entry_load_debug};
    L2 l2{"features.state-lives-on"};
    if (!l2.prepare(controls, feature_ept(), l2_changes_dr7_and_efer)) return;
    set(Field::msr_bitmap, physical(&scratch_page(0)));
    set(Field::guest_ia32_efer, 0xD01);
    set(Field::guest_dr7, 0x400);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.skip_instruction();
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("DR7 in L2", l2_dr7, l2.registers.rax);
    l2.same("IA32_EFER in L2", 0xD00, l2.registers.rbx);
    l2.same("DR7 saved", l2_dr7, get(Field::guest_dr7));
    l2.same("IA32_EFER saved", 0xD00, get(Field::guest_ia32_efer));
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    l2.conclude();
}

extern "C" char micro_l1_l2_real_mode[];
// Entered at offset 0 of CS: shows by what it computes that it runs 16-bit code with real-mode segments.
asm(".pushsection .text\n\t.balign 16\n\t.code16\n"
    "micro_l1_l2_real_mode:\n\t"
    "movw $0x1234, %ax\n\t"
    "movw %ax, %ds\n\t" // real mode: any value, no descriptor
    "movw $0xFFFF, %bx\n\t"
    "addw $2, %bx\n\t" // wraps at 16 bits
    "movl %cr0, %ecx\n\t"
    "vmcall\n\t"
    "hlt\n\t.code64\n.popsection");

extern "C" char micro_l1_l2_enter_protected_mode[];
asm(".pushsection .text\n\t.balign 16\n\t.code16\n"
    "micro_l1_l2_enter_protected_mode:\n\t"
    "movl %cr0, %eax\n\t"
    "orl $1, %eax\n\t"
    "movl %eax, %cr0\n\t"
    "vmcall\n\t"
    "hlt\n\t.code64\n.popsection");

void set_real_mode_state() {
    constexpr std::uint64_t cr0_pe_pg{0x80000001};
    set(Field::guest_cr0, get(Field::guest_cr0) & ~cr0_pe_pg);
    set(Field::guest_ia32_efer, 0);
    set(Field::guest_rip, 0);
    set(Field::guest_rsp, 0x100);
    for (unsigned i{0}; i < 6; ++i) {
        set(static_cast<Field>(vmcs::encoding_of(Field::guest_es_selector) + 2 * i), 0);
        set(static_cast<Field>(vmcs::encoding_of(Field::guest_es_limit) + 2 * i), 0xFFFF);
        set(static_cast<Field>(vmcs::encoding_of(Field::guest_es_access_rights) + 2 * i),
            i == 1 ? 0x9B : 0x93);
    }
    set(Field::guest_cs_base, physical(micro_l1_l2_real_mode));
    set(Field::guest_idtr_base, 0);
    set(Field::guest_idtr_limit, 0x3FF);
}

[[nodiscard]] bool prepare_real_mode(L2& l2, std::string_view test) {
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu, basic.cpu2 | cpu2_unrestricted, basic.exit,
                            basic.entry & ~entry_guest_64};
    if (!supported(controls)) {
        skip(test, "the processor has no unrestricted guests");
        return false;
    }
    if (!l2.prepare(controls, feature_ept(), nullptr)) return false;
    set_real_mode_state();
    return true;
}

void unrestricted_guest() {
    L2 l2{"features.unrestricted-guest"};
    if (!prepare_real_mode(l2, "features.unrestricted-guest")) return;
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("AX", 0x1234, l2.registers.rax & 0xFFFF);
    l2.same("BX", 1, l2.registers.rbx & 0xFFFF);
    l2.same("PE and PG in L2's CR0", 0, l2.registers.rcx & 0x80000001);
    l2.same("DS selector", 0x1234, get(Field::guest_ds_selector));
    l2.same("DS base", 0x12340, get(Field::guest_ds_base));
    // IA32_VMX_MISC[5] says so for every processor with unrestricted guests (Vol. 3D, A.6).
    l2.same("\"IA-32e mode guest\" after the exit", 0, get(Field::vm_entry_controls) & entry_guest_64);
    l2.skip_instruction();
    (void)l2.go_to(ExitReason::hlt);
    l2.conclude();
}

// L2 goes to protected mode by itself; an exception with an error code may then be injected (27.2.1.3). Its
// IDT is empty, so that the injected event ends in a triple fault.
void error_code_after_mode_switch() {
    L2 l2{"features.error-code-after-mode-switch"};
    if (!prepare_real_mode(l2, "features.error-code-after-mode-switch")) return;
    set(Field::guest_cs_base, physical(micro_l1_l2_enter_protected_mode));
    set(Field::guest_idtr_limit, 0);
    set(Field::cr0_guest_host_mask, 0);
    if (!l2.go_to(ExitReason::vmcall)) return;
    constexpr std::uint64_t general_protection_with_code{0x80000B0D};
    set(Field::vm_entry_interruption_information, general_protection_with_code);
    set(Field::vm_entry_exception_error_code, 0);
    (void)l2.go_to(ExitReason::triple_fault);
    l2.conclude();
}

} // namespace

void test_state() {
    state_lives_on();
    unrestricted_guest();
    error_code_after_mode_switch();
}

} // namespace shadowtune::micro_l1
