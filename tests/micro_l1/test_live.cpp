// Features: what has effect while L2 runs, without a VM entry of L1's in between: bitmaps that L2 itself
// changes, a timer that runs down across exits that L1 does not see, accesses of L2's page walks.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

[[nodiscard]] Controls with(std::uint32_t cpu, std::uint32_t pin = 0) {
    const Controls basic{basic_controls()};
    return {basic.pin | pin, basic.cpu | cpu, basic.cpu2, basic.exit, basic.entry};
}

[[nodiscard]] Controls without_ept(const Controls& controls) {
    return {controls.pin, controls.cpu, controls.cpu2 & ~cpu2_ept, controls.exit, controls.entry};
}

constexpr std::uint16_t free_port{0x9001};        // no device of the lab's
constexpr std::uint16_t pci_address_port{0xCF8};  // reads as it was written
constexpr std::uint32_t pci_address{0x8000'0000}; // device 0
constexpr std::uint16_t page_register_port{0x84}; // a byte of the DMA controller's that nobody uses
volatile std::uint8_t* g_bitmap_byte;

void l2_changes_io_bitmap() {
    constexpr std::uint8_t bit{1U << (free_port % 8)};
    out8(free_port, 1); // no exit
    *g_bitmap_byte = bit;
    out8(free_port, 1); // exit
    *g_bitmap_byte = 0;
    out8(free_port, 1); // no exit
    asm volatile("outl %0, %1" : : "a"(pci_address), "d"(pci_address_port));
    std::uint64_t wide{~std::uint64_t{0}};
    asm volatile("inl %1, %%eax" : "+a"(wide) : "d"(pci_address_port));
    out8(page_register_port, 0x5A);
    std::uint64_t narrow{0x1122'3344'5566'7788};
    asm volatile("inb %1, %%al" : "+a"(narrow) : "d"(page_register_port));
    *g_bitmap_byte = bit;
    (void)in8(free_port); // exit
    l2_call(wide, narrow);
    *g_bitmap_byte = 0;
    const char* text{"ab"};
    std::uint64_t count{2};
    asm volatile("rep outsb" : "+S"(text), "+c"(count) : "d"(free_port) : "memory"); // no exit
    l2_done(count);
}

void io_bitmap_changed_by_l2(std::string_view test, const Controls& controls) {
    if (!supported(controls)) {
        skip(test, "the processor has no I/O bitmaps");
        return;
    }
    L2 l2{test};
    Page& a{scratch_page(0)};
    Page& b{scratch_page(1)};
    g_bitmap_byte = &b.bytes[(free_port - 0x8000) / 8];
    if (!l2.prepare(controls, feature_ept(), l2_changes_io_bitmap)) return;
    set(Field::io_bitmap_a, physical(&a));
    set(Field::io_bitmap_b, physical(&b));
    const std::uint64_t wanted[]{0x90010000, 0x90010008};
    for (const std::uint64_t qualification : wanted) {
        if (!l2.go_to(ExitReason::io_instruction)) return;
        if (!l2.same("qualification", qualification, l2.qualification)) return;
        l2.skip_instruction();
    }
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("IN to EAX clears the upper half of RAX", pci_address, l2.registers.rax);
    l2.same("IN to AL leaves the rest of RAX", 0x1122'3344'5566'775A, l2.registers.rbx);
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    l2.same("RCX after REP OUTSB", 0, l2.registers.rbx);
    l2.conclude();
}

constexpr std::uint32_t free_msr{msr_kernel_gs_base};

void l2_changes_msr_bitmap() {
    constexpr std::uint8_t bit{1U << (free_msr % 8)};
    write_msr(free_msr, 0x1111); // no exit
    *g_bitmap_byte = bit;
    (void)read_msr(free_msr); // exit
    *g_bitmap_byte = 0;
    const std::uint64_t read{read_msr(free_msr)}; // no exit
    write_msr(msr_fs_base, read + 1);             // no exit, and one that the VMCS holds
    *g_bitmap_byte = bit;
    (void)read_msr(free_msr); // exit
    *g_bitmap_byte = 0;
    l2_done(read + (read_msr(msr_fs_base) << 16));
}

void msr_bitmap_changed_by_l2(std::string_view test, const Controls& controls) {
    if (!supported(controls)) {
        skip(test, "the processor has no MSR bitmaps");
        return;
    }
    L2 l2{test};
    Page& bitmap{scratch_page(0)};
    constexpr std::size_t high_msrs{1024}; // reads of C0000000H to C0001FFFH
    g_bitmap_byte = &bitmap.bytes[high_msrs + (free_msr & 0x1FFF) / 8];
    if (!l2.prepare(controls, feature_ept(), l2_changes_msr_bitmap)) return;
    set(Field::msr_bitmap, physical(&bitmap));
    if (!l2.run_to_done({{ExitReason::rdmsr, 0}, {ExitReason::rdmsr, 0}})) return;
    l2.same("what L2 read", 0x1112'1111, l2.registers.rbx);
    l2.conclude();
}

[[nodiscard]] std::uint64_t tsc() {
    std::uint32_t low;
    std::uint32_t high;
    asm volatile("mfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return std::uint64_t{high} << 32 | low;
}

volatile std::uint64_t g_first_tsc;
volatile std::uint64_t g_last_tsc;

void l2_watches_the_clock() {
    g_first_tsc = tsc();
    for (;;) {
        g_last_tsc = tsc();
        (void)read_msr(msr_vmx_basic); // L1 lets it pass
    }
}

// Vol. 3C, 26.5.1: once the timer is at zero no further instruction is executed.
void timer_deadline() {
    constexpr std::string_view test{"features.preemption-timer-deadline"};
    const Controls controls{with(cpu_msr_bitmaps, pin_preemption_timer)};
    if (!supported(controls)) {
        skip(test, "the processor has no VMX-preemption timer");
        return;
    }
    constexpr std::uint64_t rate_mask{0x1F};
    const std::uint64_t rate{read_msr(msr_vmx_misc) & rate_mask};
    constexpr std::uint64_t ticks{400'000};
    const std::uint64_t value{ticks >> rate};
    L2 l2{test};
    if (!l2.prepare(controls, feature_ept(), l2_watches_the_clock)) return;
    set(Field::msr_bitmap, physical(&scratch_page(0)));
    set(Field::vmx_preemption_timer_value, value);
    const std::uint64_t before{tsc()};
    if (!l2.go_to(ExitReason::preemption_timer_expired)) return;
    const std::uint64_t latest{((g_first_tsc >> rate) + value) << rate};
    l2.same("L2 stored a TSC beyond the deadline", 0, g_last_tsc < latest ? 0 : g_last_tsc - latest);
    const std::uint64_t earliest{((before >> rate) + value) << rate};
    const std::uint64_t now{tsc()};
    l2.same("the timer expired before its time", 0, now >= earliest ? 0 : earliest - now);
    l2.conclude();
}

extern "C" char micro_l1_pdpt[];

constexpr std::uint64_t through_directory{std::uint64_t{4} << 30};
volatile std::uint64_t g_linear;

void l2_reads_through_directory() {
    l2_done(*reinterpret_cast<volatile std::uint64_t*>(g_linear));
}

// With accessed and dirty flags on, a walk of L2's page tables counts as a write (Vol. 3C, 29.3.3.2): of a
// page that EPT makes read-only it is a violation by a read and a write, and else the page is dirty after it.
void walks_are_writes() {
    constexpr std::string_view test{"features.ept-walks-are-writes"};
    if (!ept_accessed_dirty_supported()) {
        skip(test, "the processor has no accessed and dirty flags for EPT");
        return;
    }
    L2 l2{test};
    Page& directory{scratch_page(0)};
    Page& data{scratch_page(1)};
    constexpr std::uint64_t large{std::uint64_t{2} << 20};
    // Accessed and dirty already: the walk itself changes nothing.
    constexpr std::uint64_t present_writable_accessed_dirty_large{0xE3};
    const std::uint64_t base{physical(&data) & ~(large - 1)};
    data.bytes[0] = 0x66;
    g_linear = through_directory + (physical(&data) - base);
    auto* const pdpt{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)};
    pdpt[4] = physical(&directory) | 0x23U;
    *reinterpret_cast<volatile std::uint64_t*>(&directory) = base | present_writable_accessed_dirty_large;
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&directory), physical(&directory), ept_read | ept_execute);
    if (!l2.prepare(basic_controls(), ept, l2_reads_through_directory)) return;
    set(Field::ept_pointer, ept.pointer(true));
    flush_ept();
    if (l2.go_to(ExitReason::ept_violation)) {
        // Bit 0 is left out by the bare lab's Bochs 2.7, and not by the VMM.
        const std::uint64_t read{cpuid(1).ecx >> 31 & 1U};
        constexpr std::uint64_t defined{0x1BE};
        l2.same("qualification: access of a readable page, in a walk", read | 0x2 | 5U << 3 | 0x80,
                l2.qualification & (defined | read));
        l2.same("guest-physical address", physical(&directory), get(Field::guest_physical_address));
        ept.map_small(physical(&directory), physical(&directory), ept_all);
        flush_ept();
        if (l2.run_to_done({})) {
            l2.same("what L2 read", 0x66, l2.registers.rbx & 0xFF);
            constexpr std::uint64_t both{ept_accessed | ept_dirty};
            l2.same("flags of the page directory's page", both, ept.small_entry(physical(&directory)) & both);
        }
    }
    pdpt[4] = 0;
    asm volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
    l2.conclude();
}

// Two VPIDs have translations of their own: one keeps what it has seen while another is flushed or runs
// (Vol. 3C, 29.4.3.3). What a processor caches nobody can rely on; what it must not keep is tested.
void vpids_apart() {
    constexpr std::string_view test{"features.vpids-apart"};
    if (!supported({0, cpu_secondary, cpu2_vpid, 0, 0})) {
        skip(test, "the processor has no VPIDs");
        return;
    }
    L2 l2{test};
    Page& directory{scratch_page(0)};
    Page& data{scratch_page(1)};
    constexpr std::uint64_t large{std::uint64_t{2} << 20};
    constexpr std::uint64_t elsewhere{std::uint64_t{64} << 20};
    const std::uint64_t base{physical(&data) & ~(large - 1)};
    const std::uint64_t offset{physical(&data) - base};
    data.bytes[0] = 0x31;
    *reinterpret_cast<volatile std::uint64_t*>(elsewhere + offset) = 0x42;
    g_linear = through_directory + offset;
    auto* const pdpt{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)};
    auto* const entry{reinterpret_cast<volatile std::uint64_t*>(&directory)};
    pdpt[4] = physical(&directory) | 3U;
    feature_ept().map_identity();
    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads_through_directory)) return;
    const std::uint64_t start{get(Field::guest_rip)};
    // The last two are the ones that an L0 is likely to want for itself.
    constexpr std::uint64_t vpids[]{1, 2, 3, 0x7FFF, 0xFFFE, 0xFFFF};
    for (unsigned round{0}; round < 2; ++round) {
        *entry = (round == 0 ? base : elsewhere) | 0x83;
        const std::uint64_t wanted{round == 0 ? 0x31U : 0x42U};
        for (const std::uint64_t vpid : vpids) {
            alignas(16) std::uint64_t descriptor[2]{vpid, g_linear};
            const std::uint64_t type{vpid % 2 == 0 ? 0U : 1U};
            if (invvpid_at(type, descriptor) != VmxResult::succeed) l2.same("INVVPID", 0, 1);
            set(Field::virtual_processor_identifier, vpid);
            set(Field::guest_rip, start);
            if (!l2.run_to_done({}) || !l2.same("what L2 read", wanted, l2.registers.rbx & 0xFF)) break;
        }
    }
    pdpt[4] = 0;
    asm volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
    l2.conclude();
}

} // namespace

void test_live() {
    feature_ept().map_identity();
    io_bitmap_changed_by_l2("features.io-bitmap-changed-by-l2", with(cpu_io_bitmaps));
    io_bitmap_changed_by_l2("features.io-bitmap-changed-by-l2-without-ept",
                            without_ept(with(cpu_io_bitmaps)));
    msr_bitmap_changed_by_l2("features.msr-bitmap-changed-by-l2", with(cpu_msr_bitmaps));
    msr_bitmap_changed_by_l2("features.msr-bitmap-changed-by-l2-without-ept",
                             without_ept(with(cpu_msr_bitmaps)));
    timer_deadline();
    walks_are_writes();
    vpids_apart();
    feature_ept().map_identity();
}

} // namespace shadowtune::micro_l1
