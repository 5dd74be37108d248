// Features: MSR areas of VM entry and VM exit, and L2 in real-address mode (unrestricted guest).

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

struct alignas(16) MsrEntry {
    std::uint32_t msr;
    std::uint32_t reserved;
    std::uint64_t value;
};

void l2_msr_areas() {
    const std::uint64_t kernel_gs_base{read_msr(msr_kernel_gs_base)};
    const std::uint64_t star{read_msr(msr_star)};
    l2_call(kernel_gs_base, star);
    write_msr(msr_kernel_gs_base, 0x3333);
    write_msr(msr_star, 0x4444);
    l2_done();
}

// SDM Vol. 3C, 25.7.2, 25.8.2: loaded at entry, stored and then loaded at exit.
void msr_areas() {
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_msr_bitmaps, basic.cpu2, basic.exit, basic.entry};
    L2 l2{"features.msr-areas"};
    static MsrEntry entry_load[2];
    static MsrEntry exit_store[2];
    static MsrEntry exit_load[2];
    entry_load[0] = {msr_kernel_gs_base, 0, 0x1111};
    entry_load[1] = {msr_star, 0, 0x2222};
    exit_store[0] = {msr_kernel_gs_base, 0, 0};
    exit_store[1] = {msr_star, 0, 0};
    exit_load[0] = {msr_kernel_gs_base, 0, 0x5555};
    exit_load[1] = {msr_star, 0, 0x6666};
    if (!l2.prepare(controls, feature_ept(), l2_msr_areas)) return;
    set(Field::msr_bitmap, physical(&scratch_page(0)));
    set(Field::vm_entry_msr_load_address, physical(entry_load));
    set(Field::vm_entry_msr_load_count, 2);
    set(Field::vm_exit_msr_store_address, physical(exit_store));
    set(Field::vm_exit_msr_store_count, 2);
    set(Field::vm_exit_msr_load_address, physical(exit_load));
    set(Field::vm_exit_msr_load_count, 2);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_KERNEL_GS_BASE in L2", 0x1111, l2.registers.rax);
    l2.same("IA32_STAR in L2", 0x2222, l2.registers.rbx);
    l2.same("IA32_KERNEL_GS_BASE in L1", 0x5555, read_msr(msr_kernel_gs_base));
    l2.same("IA32_STAR in L1", 0x6666, read_msr(msr_star));
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    const volatile MsrEntry* const stored{exit_store};
    l2.same("IA32_KERNEL_GS_BASE stored", 0x3333, stored[0].value);
    l2.same("IA32_STAR stored", 0x4444, stored[1].value);
    l2.same("IA32_KERNEL_GS_BASE in L1 again", 0x5555, read_msr(msr_kernel_gs_base));
    l2.conclude();
}

// L2's own PAT and EFER, loaded and saved by their controls.
void l2_pat_efer() {
    const std::uint64_t pat{read_msr(msr_pat)};
    const std::uint64_t efer{read_msr(msr_efer)};
    l2_call(pat, efer);
    write_msr(msr_pat, 0x0607050401000406);
    l2_done();
}

void pat_and_efer() {
    constexpr std::uint64_t guest_pat{0x0006040500010706};
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_msr_bitmaps, basic.cpu2, basic.exit, basic.entry};
    L2 l2{"features.pat-efer"};
    const std::uint64_t host_pat{read_msr(msr_pat)};
    const std::uint64_t host_efer{read_msr(msr_efer)};
    if (!l2.prepare(controls, feature_ept(), l2_pat_efer)) return;
    set(Field::msr_bitmap, physical(&scratch_page(0)));
    set(Field::guest_ia32_pat, guest_pat);
    set(Field::guest_ia32_efer, 0xD01);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_PAT in L2", guest_pat, l2.registers.rax);
    l2.same("IA32_EFER in L2", 0xD01, l2.registers.rbx);
    l2.same("IA32_PAT in L1", host_pat, read_msr(msr_pat));
    l2.same("IA32_EFER in L1", host_efer, read_msr(msr_efer));
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    l2.same("IA32_PAT saved", 0x0607050401000406, get(Field::guest_ia32_pat));
    l2.same("IA32_PAT in L1 again", host_pat, read_msr(msr_pat));
    l2.conclude();
}

// The lists come after the guest state at entry and before the host state at exit (SDM Vol. 3C, 27.4, 28.4,
// 28.6), so that each of the three sees the other value.
void msr_areas_and_fields() {
    constexpr std::uint64_t by_field{0x0006040500010706}, by_list{0x0107060504000406};
    constexpr std::uint64_t of_l2{0x0607050401000406}, host_list{0x0007040600070406};
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_msr_bitmaps, basic.cpu2, basic.exit & ~exit_save_pat,
                            basic.entry};
    L2 l2{"features.msr-areas-and-fields"};
    const std::uint64_t host_pat{read_msr(msr_pat)};
    static MsrEntry entry_load, exit_store, exit_load;
    entry_load = {msr_pat, 0, by_list};
    exit_store = {msr_pat, 0, 0};
    exit_load = {msr_pat, 0, host_list};
    if (!l2.prepare(controls, feature_ept(), l2_pat_efer)) return;
    set(Field::msr_bitmap, physical(&scratch_page(0)));
    set(Field::guest_ia32_pat, by_field);
    set(Field::vm_entry_msr_load_address, physical(&entry_load));
    set(Field::vm_entry_msr_load_count, 1);
    set(Field::vm_exit_msr_store_address, physical(&exit_store));
    set(Field::vm_exit_msr_store_count, 1);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_PAT in L2: the list's", by_list, l2.registers.rax);
    l2.same("IA32_PAT stored", by_list, static_cast<volatile MsrEntry&>(exit_store).value);
    l2.same("IA32_PAT in L1: the field's", host_pat, read_msr(msr_pat));
    l2.same("field not saved", by_field, get(Field::guest_ia32_pat));

    // Without the entry's list the field holds again; with an exit's list that wins over the host's field.
    set(Field::vm_entry_msr_load_count, 0);
    set(Field::vm_exit_msr_load_address, physical(&exit_load));
    set(Field::vm_exit_msr_load_count, 1);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_PAT in L1: the list's", host_list, read_msr(msr_pat));
    l2.same("word of L2", by_list, l2.registers.rax);
    set(Field::vm_exit_msr_load_count, 0);
    set(Field::guest_rip, reinterpret_cast<std::uint64_t>(&l2_pat_efer));
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_PAT in L2: the field's", by_field, l2.registers.rax);
    l2.same("IA32_PAT in L1: the field's again", host_pat, read_msr(msr_pat));
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    l2.same("IA32_PAT stored at last", of_l2, static_cast<volatile MsrEntry&>(exit_store).value);
    l2.conclude();
}

void l2_perf_global_ctrl() {
    l2_call(read_msr(msr_perf_global_ctrl));
    write_msr(msr_perf_global_ctrl, 1);
    l2_done();
}

// Whether a write of the MSR is kept: some processors (and emulators) have the controls but not the MSR.
[[nodiscard]] bool keeps_perf_global_ctrl() {
    std::uint64_t got{0};
    const Fault fault{guarded([&] {
        write_msr(msr_perf_global_ctrl, 3);
        got = read_msr(msr_perf_global_ctrl);
        write_msr(msr_perf_global_ctrl, 0);
    })};
    return !fault.happened && got == 3;
}

void perf_global_ctrl() {
    constexpr std::string_view test{"features.perf-global-ctrl"};
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_msr_bitmaps, basic.cpu2,
                            basic.exit | exit_load_perf_global_ctrl,
                            basic.entry | entry_load_perf_global_ctrl};
    if (!supported(controls)) {
        skip(test, "the processor does not load IA32_PERF_GLOBAL_CTRL at entry and exit");
        return;
    }
    const std::uint64_t kept{keeps_perf_global_ctrl() ? ~std::uint64_t{0} : 0};
    L2 l2{test};
    if (!l2.prepare(controls, feature_ept(), l2_perf_global_ctrl)) return;
    set(Field::msr_bitmap, physical(&scratch_page(0)));
    set(Field::guest_ia32_perf_global_ctrl, 2);
    set(Field::host_ia32_perf_global_ctrl, 3);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("the MSR in L2", 2 & kept, l2.registers.rax);
    l2.same("the MSR in L1", 3 & kept, read_msr(msr_perf_global_ctrl));
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    l2.same("the MSR in L1 again", 3 & kept, read_msr(msr_perf_global_ctrl));
    l2.same("guest field", 2, get(Field::guest_ia32_perf_global_ctrl));
    l2.same("host field", 3, get(Field::host_ia32_perf_global_ctrl));
    write_msr(msr_perf_global_ctrl, 0);
    l2.conclude();
}

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
    msr_areas();
    pat_and_efer();
    msr_areas_and_fields();
    perf_global_ctrl();
    state_lives_on();
    unrestricted_guest();
    error_code_after_mode_switch();
}

} // namespace shadowtune::micro_l1
