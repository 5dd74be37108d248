// Features: which instructions of L2 exit, by bitmap, mask and control. Each test has both sides: exits and
// no exit.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

[[nodiscard]] Controls with(std::uint32_t cpu, std::uint32_t cpu2 = 0, std::uint32_t pin = 0,
                            std::uint32_t exit = 0) {
    const Controls basic{basic_controls()};
    return {basic.pin | pin, basic.cpu | cpu, basic.cpu2 | cpu2, basic.exit | exit, basic.entry};
}

[[nodiscard]] bool lacks(std::string_view test, const Controls& controls) {
    if (supported(controls)) return false;
    skip(test, "the processor lacks a control for it");
    return true;
}

void set_bit(Page& bitmap, std::size_t bit) {
    bitmap.bytes[bit / 8] = static_cast<std::uint8_t>(bitmap.bytes[bit / 8] | 1U << (bit % 8));
}

// Ports that no device of the lab uses.
void l2_ports() {
    out8(0x3A1, 1);
    out8(0x3A0, 1);
    asm volatile("outl %0, %1" : : "a"(0), "Nd"(std::uint16_t{0x39D})); // its last byte is port 3A0H
    out8(0x9002, 1);
    out8(0x9001, 1);
    (void)in8(0x9001);
    l2_done();
}

void io_bitmaps() {
    constexpr std::string_view test{"features.io-bitmaps"};
    const Controls controls{with(cpu_io_bitmaps)};
    if (lacks(test, controls)) return;
    L2 l2{test};
    Page& a{scratch_page(0)};
    Page& b{scratch_page(1)};
    set_bit(a, 0x3A0);
    set_bit(b, 0x9001 - 0x8000);
    if (!l2.prepare(controls, feature_ept(), l2_ports)) return;
    set(Field::io_bitmap_a, physical(&a));
    set(Field::io_bitmap_b, physical(&b));
    // Port, size - 1, direction; the port is in DX (SDM Vol. 3C, Table 28-5).
    (void)l2.run_to_done({{ExitReason::io_instruction, 0x03A00000},
                          {ExitReason::io_instruction, 0x039D0003},
                          {ExitReason::io_instruction, 0x90010000},
                          {ExitReason::io_instruction, 0x90010008}});
    l2.conclude();
}

void l2_msrs() {
    const std::uint64_t eip{read_msr(msr_sysenter_eip)}; // no exit
    (void)read_msr(msr_sysenter_cs);                     // exit
    write_msr(msr_sysenter_cs, 8);                       // no exit
    write_msr(msr_sysenter_eip, 0x1234);                 // exit
    (void)read_msr(msr_star);                            // exit
    (void)read_msr(msr_kernel_gs_base);                  // no exit
    write_msr(msr_kernel_gs_base, 0);                    // exit
    (void)read_msr(0x2000);                              // in neither range: exit, whatever the bitmap says
    l2_done(eip);
}

void msr_bitmap() {
    constexpr std::string_view test{"features.msr-bitmap"};
    const Controls controls{with(cpu_msr_bitmaps)};
    if (lacks(test, controls)) return;
    L2 l2{test};
    // 1 KiB each: read low, read high, write low, write high (Vol. 3C, 25.6.9).
    Page& bitmap{scratch_page(0)};
    set_bit(bitmap, msr_sysenter_cs);
    set_bit(bitmap, 8192 + (msr_star & 0x1FFF));
    set_bit(bitmap, 16384 + msr_sysenter_eip);
    set_bit(bitmap, 24576 + (msr_kernel_gs_base & 0x1FFF));
    if (!l2.prepare(controls, feature_ept(), l2_msrs)) return;
    set(Field::msr_bitmap, physical(&bitmap));
    set(Field::guest_ia32_sysenter_eip, 0x7654321);
    const bool done{l2.run_to_done({{ExitReason::rdmsr, 0},
                                    {ExitReason::wrmsr, 0},
                                    {ExitReason::rdmsr, 0},
                                    {ExitReason::wrmsr, 0},
                                    {ExitReason::rdmsr, 0}})};
    if (done) {
        l2.same("IA32_SYSENTER_EIP as L2 read it", 0x7654321, l2.registers.rbx);
        l2.same("IA32_SYSENTER_CS as L2 wrote it", 8, get(Field::guest_ia32_sysenter_cs));
        l2.same("IA32_SYSENTER_EIP, whose write exited", 0x7654321, get(Field::guest_ia32_sysenter_eip));
    }
    l2.conclude();
}

constexpr std::uint64_t cr0_ts{8};
constexpr std::uint64_t cr0_mp{2};
constexpr std::uint64_t cr4_pge{0x80};
constexpr std::uint64_t cr4_tsd{4};

// Bits of the mask are L1's: L2 reads them from the shadow, and exits when it would write another value.
void l2_control_registers() {
    const std::uint64_t cr0{read_cr0()};
    write_cr0(cr0);                                        // no exit: all as in the shadow
    write_cr0(cr0 ^ cr0_mp);                               // no exit: MP is L2's own
    asm volatile("movq %0, %%cr0" : : "a"(cr0 & ~cr0_ts)); // exit: differs from the shadow
    asm volatile("clts");                                  // exit: TS is in the mask and 1 in the shadow
    const std::uint64_t cr4{read_cr4()};
    write_cr4(cr4 ^ cr4_tsd);                              // no exit
    asm volatile("movq %0, %%cr4" : : "c"(cr4 ^ cr4_pge)); // exit
    l2_call(cr0, cr4);
    l2_done();
}

void cr_masks() {
    L2 l2{"features.cr-masks"};
    if (!l2.prepare(with(0), feature_ept(), l2_control_registers)) return;
    set(Field::cr0_guest_host_mask, cr0_ts);
    set(Field::cr0_read_shadow, cr0_ts);
    set(Field::cr4_guest_host_mask, cr4_pge);
    set(Field::cr4_read_shadow, cr4_pge);
    const std::uint64_t cr0{get(Field::guest_cr0)};
    const std::uint64_t cr4{get(Field::guest_cr4)};
    const WantedExit wanted[]{{ExitReason::control_register_access, 0x000},  // MOV to CR0 from RAX
                              {ExitReason::control_register_access, 0x020},  // CLTS
                              {ExitReason::control_register_access, 0x104}}; // MOV to CR4 from RCX
    for (const WantedExit& exit : wanted) {
        if (!l2.go_to(exit.reason) || !l2.same("qualification", exit.qualification, l2.qualification)) return;
        l2.skip_instruction();
    }
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("CR0 as L2 saw it", cr0 | cr0_ts, l2.registers.rax);
    l2.same("CR4 as L2 saw it", cr4 | cr4_pge, l2.registers.rbx);
    l2.same("CR0", cr0 ^ cr0_mp, get(Field::guest_cr0));
    l2.same("CR4", cr4 ^ cr4_tsd, get(Field::guest_cr4));
    l2.conclude();
}

void l2_cr3() {
    asm volatile("movq %0, %%cr3" : : "r"(physical(micro_l1_pml4)) : "memory");      // a target: no exit
    asm volatile("movq %0, %%cr3" : : "a"(physical(micro_l1_pml4_twin)) : "memory"); // exit
    std::uint64_t cr3;
    asm volatile("movq %%cr3, %0" : "=d"(cr3)); // exit
    l2_done(cr3);
}

void cr3_exits() {
    constexpr std::string_view test{"features.cr3-exiting"};
    L2 l2{test};
    if (!l2.prepare(with(cpu_cr3_load | cpu_cr3_store), feature_ept(), l2_cr3)) return;
    set(Field::cr3_target_count, 1);
    set(Field::cr3_target_value_0, physical(micro_l1_pml4));
    (void)l2.run_to_done(
        {{ExitReason::control_register_access, 0x003}, {ExitReason::control_register_access, 0x213}});
    l2.conclude();
    L2 open{"features.cr3-not-exiting"};
    if (lacks("features.cr3-not-exiting", with(0))) return;
    if ((basic_controls().cpu & (cpu_cr3_load | cpu_cr3_store)) != 0) {
        skip("features.cr3-not-exiting", "the processor always exits");
        return;
    }
    if (!open.prepare(with(0), feature_ept(), l2_cr3)) return;
    if (open.run_to_done({})) open.same("CR3 as L2 saw it", physical(micro_l1_pml4_twin), open.registers.rbx);
    open.conclude();
}

void l2_cr8() {
    std::uint64_t tpr;
    asm volatile("movq %%cr8, %0" : "=r"(tpr));
    asm volatile("movq %0, %%cr8" : : "r"(std::uint64_t{4})); // at the threshold: no exit
    asm volatile("movq %0, %%cr8\n\tmovq %1, %%rbx\n\tvmcall" : : "r"(std::uint64_t{3}), "r"(tpr) : "rbx");
    l2_done();
}

void tpr_shadow() {
    constexpr std::string_view test{"features.tpr-shadow"};
    const Controls controls{with(cpu_tpr_shadow)};
    if (lacks(test, controls)) return;
    L2 l2{test};
    constexpr std::size_t tpr_offset{0x80};
    Page& virtual_apic{scratch_page(0)};
    virtual_apic.bytes[tpr_offset] = 0x50;
    if (!l2.prepare(controls, feature_ept(), l2_cr8)) return;
    set(Field::virtual_apic_address, physical(&virtual_apic));
    set(Field::tpr_threshold, 4);
    if (!l2.go_to(ExitReason::tpr_below_threshold)) return;
    const volatile std::uint8_t& tpr{virtual_apic.bytes[tpr_offset]};
    l2.same("virtual TPR", 0x30, tpr);
    // Trap-like: MOV to CR8 has been executed (Vol. 3C, 30.1.2). The next entry needs a threshold that is not
    // above.
    set(Field::tpr_threshold, 3);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("CR8 as L2 read it", 5, l2.registers.rbx);
    l2.conclude();
}

void l2_spins() {
    for (;;)
        asm volatile("pause");
}
void l2_just_done() {
    l2_done();
}

void preemption_timer() {
    constexpr std::string_view test{"features.preemption-timer"};
    const Controls controls{with(0, 0, pin_preemption_timer, exit_save_preemption_timer)};
    if (lacks(test, controls)) return;
    L2 l2{test};
    constexpr std::uint64_t ticks{5000};
    if (!l2.prepare(controls, feature_ept(), l2_spins)) return;
    set(Field::vmx_preemption_timer_value, ticks);
    if (!l2.go_to(ExitReason::preemption_timer_expired)) return;
    l2.same("timer after it expired", 0, get(Field::vmx_preemption_timer_value));

    const std::uint64_t rip{reinterpret_cast<std::uint64_t>(&l2_just_done)};
    if (!l2.prepare(controls, feature_ept(), l2_just_done)) return;
    set(Field::vmx_preemption_timer_value, 0);
    if (!l2.go_to(ExitReason::preemption_timer_expired)) return;
    l2.same("RIP with a timer of 0: no instruction runs", rip, get(Field::guest_rip));

    constexpr std::uint64_t long_time{0x10000000};
    set(Field::vmx_preemption_timer_value, long_time);
    if (!l2.run_to_done({})) return;
    const std::uint64_t left{get(Field::vmx_preemption_timer_value)};
    l2.same("timer saved, not above what was loaded, not expired", 1, left != 0 && left <= long_time ? 1 : 0);
    l2.conclude();
}

void l2_tsc() {
    std::uint32_t low;
    std::uint32_t high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    l2_done(std::uint64_t{high} << 32 | low);
}

void tsc_offset() {
    constexpr std::string_view test{"features.tsc-offset"};
    constexpr std::uint64_t offset{std::uint64_t{1} << 50};
    constexpr std::uint64_t slack{std::uint64_t{1} << 40};
    L2 l2{test};
    if (!l2.prepare(with(cpu_tsc_offset), feature_ept(), l2_tsc)) return;
    set(Field::tsc_offset, offset);
    if (!l2.run_to_done({})) return;
    l2.same("TSC of L2 has the offset", 1,
            l2.registers.rbx >= offset && l2.registers.rbx < offset + slack ? 1 : 0);
    l2.conclude();
}

} // namespace

void test_intercepts() {
    io_bitmaps();
    msr_bitmap();
    cr_masks();
    cr3_exits();
    tpr_shadow();
    preemption_timer();
    tsc_offset();
}

} // namespace shadowtune::micro_l1
