// Features: MSRs that entries and exits switch, by areas in memory and by fields.

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

constexpr std::uint64_t pat_of_l2{0x0607050401000406};

// L2's own PAT and EFER, loaded and saved by their controls.
void l2_pat_efer() {
    const std::uint64_t pat{read_msr(msr_pat)};
    const std::uint64_t efer{read_msr(msr_efer)};
    l2_call(pat, efer);
    write_msr(msr_pat, pat_of_l2);
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
    l2.same("IA32_PAT saved", pat_of_l2, get(Field::guest_ia32_pat));
    l2.same("IA32_PAT in L1 again", host_pat, read_msr(msr_pat));
    l2.conclude();
}

// L2 keeps what it wrote while L0 handles exits of L2's that L1 does not see, whatever of it entries and
// exits load and save.
void l2_keeps_pat() {
    l2_call(read_msr(msr_pat));
    write_msr(msr_pat, pat_of_l2);
    (void)read_msr(msr_vmx_basic); // L1 lets it pass
    l2_done(read_msr(msr_pat));
}

void pat_across_exits_of_l0() {
    constexpr std::uint64_t by_field{0x0006040500010706};
    struct Case {
        std::uint32_t entry, exit;
    };
    constexpr Case cases[]{{entry_load_pat, exit_load_pat},
                           {0, exit_load_pat},
                           {entry_load_pat, 0},
                           {0, exit_load_pat | exit_save_pat},
                           {entry_load_pat, exit_load_pat | exit_save_pat}};
    const Controls basic{basic_controls()};
    L2 l2{"features.pat-across-exits-of-l0"};
    const std::uint64_t host_pat{read_msr(msr_pat)};
    for (const Case& c : cases) {
        const Controls controls{basic.pin, basic.cpu | cpu_msr_bitmaps, basic.cpu2,
                                (basic.exit & ~(exit_save_pat | exit_load_pat)) | c.exit,
                                (basic.entry & ~entry_load_pat) | c.entry};
        if (!l2.prepare(controls, feature_ept(), l2_keeps_pat)) return;
        set(Field::msr_bitmap, physical(&scratch_page(0)));
        set(Field::guest_ia32_pat, by_field);
        const std::uint64_t at_first{c.entry != 0 ? by_field : host_pat};
        if (!l2.go_to(ExitReason::vmcall)) return;
        l2.same("IA32_PAT in L2 at first", at_first, l2.registers.rax);
        l2.skip_instruction();
        if (!l2.run_to_done({})) return;
        l2.same("IA32_PAT in L2 at last", pat_of_l2, l2.registers.rbx);
        l2.same("IA32_PAT in L1", (c.exit & exit_load_pat) != 0 ? host_pat : pat_of_l2, read_msr(msr_pat));
        l2.same("field", (c.exit & exit_save_pat) != 0 ? pat_of_l2 : by_field, get(Field::guest_ia32_pat));
        write_msr(msr_pat, host_pat);
    }
    // The same VMCS with other controls: the field holds again.
    set(Field::guest_ia32_pat, by_field);
    set(Field::vm_entry_controls, basic.entry & ~entry_load_pat);
    set(Field::guest_rip, reinterpret_cast<std::uint64_t>(&l2_keeps_pat));
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_PAT in L2, not loaded", host_pat, l2.registers.rax);
    set(Field::guest_ia32_pat, by_field);
    set(Field::vm_entry_controls, basic.entry);
    set(Field::guest_rip, reinterpret_cast<std::uint64_t>(&l2_keeps_pat));
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IA32_PAT in L2, loaded again", by_field, l2.registers.rax);
    l2.conclude();
}

// The lists come after the guest state at entry and before the host state at exit (SDM Vol. 3C, 27.4, 28.4,
// 28.6), so that each of the three sees the other value.
void msr_areas_and_fields() {
    constexpr std::uint64_t by_field{0x0006040500010706}, by_list{0x0107060504000406};
    constexpr std::uint64_t host_list{0x0007040600070406};
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
    l2.same("IA32_PAT stored at last", pat_of_l2, static_cast<volatile MsrEntry&>(exit_store).value);
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

} // namespace

void test_msrs() {
    msr_areas();
    pat_and_efer();
    pat_across_exits_of_l0();
    msr_areas_and_fields();
    perf_global_ctrl();
}

} // namespace shadowtune::micro_l1
