// Features: a shadow VMCS at the link pointer - which ones an entry takes, memory operands that fault, and a
// VMCS that is ordinary now and a shadow then.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t no_pointer{~std::uint64_t{0}};
constexpr std::uint64_t guest_state_failure{0x80000021};
constexpr std::uint64_t link_pointer_failure{4}; // Table 27-1
constexpr std::uint8_t shadow_indicator{0x80};   // in byte 3 of a region

Page g_shadow;

volatile std::uint64_t g_operand; // address of L2's memory operand

[[nodiscard]] Controls shadowing_controls() {
    const Controls basic{basic_controls()};
    return {basic.pin, basic.cpu, basic.cpu2 | cpu2_vmcs_shadowing, basic.exit, basic.entry};
}

void make_shadow(Page& region, bool is_shadow) {
    write_revision(region);
    const std::uint8_t flag{is_shadow ? shadow_indicator : std::uint8_t{0}};
    region.bytes[3] = static_cast<std::uint8_t>((region.bytes[3] & 0x7F) | flag);
}

void l2_reads_field() {
    std::uint64_t value{0};
    (void)vmread_shape(0, vmcs::encoding_of(Field::guest_rsp), value);
    l2_done(value);
}

// Writes GUEST_RSP of the shadow VMCS, with the operand in memory, and reads it to memory.
void l2_uses_memory() {
    const std::uint64_t field{vmcs::encoding_of(Field::guest_rsp)};
    asm volatile("vmwrite (%0), %1\n\tvmread %1, 8(%0)"
                 :
                 : "r"(static_cast<std::uint64_t>(g_operand)), "r"(field)
                 : "cc", "memory");
    l2_done();
}

// What an entry makes of each kind of region, with shadowing on and off.
void link_pointers() {
    L2 l2{"features.shadowing-link-pointer"};
    Page& ordinary{scratch_page(1)};
    Page& other{scratch_page(2)};
    make_shadow(g_shadow, true);
    make_shadow(ordinary, false);
    make_shadow(other, true);
    other.bytes[0] = static_cast<std::uint8_t>(other.bytes[0] ^ 1U);
    const std::uint64_t beyond{std::uint64_t{1} << (cpuid(0x80000008).eax & 0xFFU)};
    struct Case {
        std::uint64_t pointer;
        bool enters_on, enters_off;
    };
    const Case cases[]{{physical(&g_shadow), true, false},
                       {physical(&ordinary), false, true},
                       {physical(&other), false, false},
                       {physical(&g_shadow) + 8, false, false},
                       {beyond, false, false},
                       {0, false, false}, // replaced by the current VMCS
                       {no_pointer, true, true}};
    for (const bool on : {true, false}) {
        for (const Case& c : cases) {
            if (!l2.prepare(on ? shadowing_controls() : basic_controls(), feature_ept(), l2_done_at_once))
                return;
            set(Field::vmread_bitmap, physical(&scratch_page(0)));
            set(Field::vmwrite_bitmap, physical(&scratch_page(0)));
            set(Field::vmcs_link_pointer, c.pointer == 0 ? vmptrst() : c.pointer);
            if (!l2.go()) return;
            const bool enters{on ? c.enters_on : c.enters_off};
            const auto done{static_cast<std::uint64_t>(ExitReason::vmcall)};
            l2.same("exit reason", enters ? done : guest_state_failure, l2.reason);
            if (!enters) l2.same("qualification", link_pointer_failure, l2.qualification);
        }
    }
    // Where something else is wrong as well the processor tells that.
    if (!l2.prepare(shadowing_controls(), feature_ept(), l2_done_at_once)) return;
    set(Field::vmread_bitmap, physical(&scratch_page(0)));
    set(Field::vmwrite_bitmap, physical(&scratch_page(0)));
    set(Field::vmcs_link_pointer, physical(&ordinary));
    set(Field::guest_rflags, 0);
    if (!l2.go()) return;
    l2.same("reason with two faults", guest_state_failure, l2.reason);
    l2.same("qualification with two faults", 0, l2.qualification);
    l2.conclude();
}

void bitmap_addresses() {
    L2 l2{"features.shadowing-bitmap-addresses"};
    for (const Field field : {Field::vmread_bitmap, Field::vmwrite_bitmap}) {
        if (!l2.prepare(shadowing_controls(), feature_ept(), l2_done_at_once)) return;
        set(Field::vmread_bitmap, physical(&scratch_page(0)));
        set(Field::vmwrite_bitmap, physical(&scratch_page(0)));
        set(field, physical(&scratch_page(0)) + 0x800);
        const EntryResult result{enter_l2(l2.registers, true)};
        l2.same("entry", static_cast<std::uint64_t>(EntryResult::fail_valid),
                static_cast<std::uint64_t>(result));
        l2.same("VM-instruction error", 7, get(Field::vm_instruction_error));
    }
    l2.conclude();
}

// An L2 that shadows all, with this value in GUEST_RSP of its shadow VMCS.
[[nodiscard]] bool prepare_shadowing(L2& l2, L2Function function, std::uint64_t value) {
    if (!l2.prepare(shadowing_controls(), feature_ept(), function)) return false;
    const std::uint64_t vmcs{vmptrst()};
    make_shadow(g_shadow, true);
    if (vmclear(physical(&g_shadow)) != VmxResult::succeed ||
        vmptrld(physical(&g_shadow)) != VmxResult::succeed)
        return l2.same("making the shadow VMCS", 0, 1);
    set(Field::guest_rsp, value);
    if (vmptrld(vmcs) != VmxResult::succeed) return l2.same("VMPTRLD back", 0, 1);
    set(Field::vmread_bitmap, physical(&scratch_page(0)));
    set(Field::vmwrite_bitmap, physical(&scratch_page(0)));
    set(Field::vmcs_link_pointer, physical(&g_shadow));
    return true;
}

struct Operand {
    volatile std::uint64_t* words;
    std::uint64_t linear;
};

// A linear address of L2's alone, above 4 GiB, behind a page directory of its own.
extern "C" char micro_l1_pdpt[];
constexpr std::uint64_t large{std::uint64_t{2} << 20};
constexpr std::uint64_t window{std::uint64_t{4} << 30};
constexpr std::uint64_t present_writable{3}, large_page{0x80};

[[nodiscard]] Operand open_window(Page& directory, Page& data) {
    auto* const entry{reinterpret_cast<volatile std::uint64_t*>(&directory)};
    auto* const pdpt{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)};
    const std::uint64_t base{physical(&data) & ~(large - 1)};
    pdpt[4] = physical(&directory) | present_writable;
    *entry = base | present_writable | large_page;
    return {reinterpret_cast<volatile std::uint64_t*>(&data), window + physical(&data) - base};
}

void close_window() {
    reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)[4] = 0;
    asm volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

// A page of L2's that its own tables do not map: #PF by L2's IDT, or an exit by L1's exception bitmap.
void operand_page_fault() {
    L2 l2{"features.shadowing-page-fault"};
    Page& directory{scratch_page(2)};
    const Operand operand{open_window(directory, scratch_page(3))};
    operand.words[0] = 0x1234'5678;
    g_operand = operand.linear;
    auto* const entry{reinterpret_cast<volatile std::uint64_t*>(&directory)};
    const std::uint64_t mapped{*entry};
    *entry = 0;
    constexpr std::uint32_t page_fault_bit{1U << 14};
    constexpr std::uint64_t cr0_wp{1U << 16};
    if (!prepare_shadowing(l2, l2_uses_memory, 0)) return;
    set(Field::exception_bitmap, page_fault_bit);
    set(Field::guest_cr0, get(Field::guest_cr0) | cr0_wp);
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    l2.same("interruption information", 0x80000B0E, get(Field::vm_exit_interruption_information));
    l2.same("error code", 0, get(Field::vm_exit_interruption_error_code));
    l2.same("linear address", g_operand, l2.qualification);
    *entry = mapped & ~std::uint64_t{2}; // read-only: VMWRITE reads, VMREAD does not write
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    l2.same("error code of the write", 3, get(Field::vm_exit_interruption_error_code));
    l2.same("linear address of the write", g_operand + 8, l2.qualification);
    *entry = mapped;
    if (!l2.run_to_done({})) return;
    l2.same("what L2 read", 0x1234'5678, operand.words[1]);
    close_window();
    l2.conclude();
}

// Pages that L1's EPT does not give L2: the operand's own, and that of L2's page directory.
void operand_ept_violations() {
    L2 l2{"features.shadowing-ept-violation"};
    Page& directory{scratch_page(2)};
    Page& data{scratch_page(3)};
    const Operand operand{open_window(directory, data)};
    operand.words[0] = 0x8765'4321;
    g_operand = operand.linear;
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&data), physical(&data), 0);
    ept.map_small(physical(&directory), physical(&directory), 0);
    if (!prepare_shadowing(l2, l2_uses_memory, 0)) return;
    flush_ept();
    constexpr std::uint64_t linear_valid{1U << 7}, not_a_walk{1U << 8};
    constexpr std::uint64_t defined{0x3F | linear_valid | not_a_walk};
    const auto violation{
        [&](std::uint64_t physical_address, std::uint64_t linear, std::uint64_t qualification) {
            if (!l2.go_to(ExitReason::ept_violation)) return false;
            l2.same("guest-physical address", physical_address, get(Field::guest_physical_address));
            l2.same("guest-linear address", linear, get(Field::guest_linear_address));
            return l2.same("qualification", qualification, l2.qualification & defined);
        }};
    if (!violation(physical(&directory), g_operand, 1 | linear_valid)) return;
    ept.map_small(physical(&directory), physical(&directory), ept_all);
    flush_ept();
    if (!violation(physical(&data), g_operand, 1 | linear_valid | not_a_walk)) return;
    ept.map_small(physical(&data), physical(&data), ept_read);
    flush_ept();
    if (!violation(physical(&data) + 8, g_operand + 8, 2 | 1 << 3 | linear_valid | not_a_walk)) return;
    ept.map_small(physical(&data), physical(&data), ept_all);
    flush_ept();
    if (!l2.run_to_done({})) return;
    l2.same("what L2 read", 0x8765'4321, operand.words[1]);
    close_window();
    ept.map_identity();
    flush_ept();
    l2.conclude();
}

// Not canonical: #GP(0), here by L1's exception bitmap.
void operand_not_canonical() {
    L2 l2{"features.shadowing-not-canonical"};
    g_operand = std::uint64_t{1} << 47;
    if (!prepare_shadowing(l2, l2_uses_memory, 0)) return;
    constexpr std::uint32_t general_protection_bit{1U << 13};
    set(Field::exception_bitmap, general_protection_bit);
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    l2.same("interruption information", 0x80000B0D, get(Field::vm_exit_interruption_information));
    l2.same("error code", 0, get(Field::vm_exit_interruption_error_code));
    l2.conclude();
}

void l2_writes_rip() {
    (void)vmwrite_shape(0, vmcs::encoding_of(Field::guest_rip), g_operand);
    l2_done();
}
void l2_first() {
    l2_call(0xF125);
    l2_done();
}
void l2_second() {
    l2_done(0x5EC0);
}

// One region in both roles: run as an ordinary VMCS, then a shadow that another L2 changes, then run again.
// What each role left the other finds.
void changing_roles() {
    L2 l2{"features.shadowing-changing-roles"};
    static Page inner;
    make_shadow(inner, false);
    const L2Start start{reinterpret_cast<std::uint64_t>(&l2_first), physical(&scratch_page(1)) + 0xFF8};
    if (!enter_vmx_operation() || !set_up_vmcs(inner, basic_controls(), feature_ept(), start)) return;
    GuestRegisters registers{};
    if (enter_l2(registers, true) != EntryResult::exited) return (void)l2.same("first entry", 0, 1);
    l2.same("first word", 0xF125, registers.rax);
    l2.same("VMCLEAR", 0, static_cast<std::uint64_t>(vmclear(physical(&inner))));
    make_shadow(inner, true);

    g_operand = reinterpret_cast<std::uint64_t>(&l2_second);
    if (!l2.prepare(shadowing_controls(), feature_ept(), l2_writes_rip)) return;
    set(Field::vmread_bitmap, physical(&scratch_page(0)));
    set(Field::vmwrite_bitmap, physical(&scratch_page(0)));
    set(Field::vmcs_link_pointer, physical(&inner));
    if (!l2.run_to_done({})) return;

    l2.same("VMCLEAR of the shadow", 0, static_cast<std::uint64_t>(vmclear(physical(&inner))));
    make_shadow(inner, false);
    l2.same("VMPTRLD as ordinary", 0, static_cast<std::uint64_t>(vmptrld(physical(&inner))));
    l2.same("GUEST_RIP", g_operand, get(Field::guest_rip));
    if (enter_l2(registers, true) != EntryResult::exited) return (void)l2.same("second entry", 0, 1);
    accesses_belong_to(static_cast<std::uint8_t>(get(Field::exit_reason)));
    l2.same("last word", l2_done_word, registers.rax);
    l2.same("its value", 0x5EC0, registers.rbx);
    l2.conclude();
}

// The shadow VMCS is current, is written, and without VMCLEAR the next is current: L2 must see the value.
void written_while_current() {
    L2 l2{"features.shadowing-written-while-current"};
    if (!prepare_shadowing(l2, l2_reads_field, 0x1111)) return;
    const std::uint64_t vmcs{vmptrst()};
    const std::uint64_t rip{get(Field::guest_rip)};
    if (!l2.run_to_done({})) return;
    l2.same("first value", 0x1111, l2.registers.rbx);
    if (vmptrld(physical(&g_shadow)) != VmxResult::succeed) return (void)l2.same("VMPTRLD", 0, 1);
    set(Field::guest_rsp, 0x2222);
    if (vmclear(physical(&g_shadow)) != VmxResult::succeed) return (void)l2.same("VMCLEAR", 0, 1);
    if (vmptrld(vmcs) != VmxResult::succeed) return (void)l2.same("VMPTRLD back", 0, 1);
    set(Field::guest_rip, rip);
    if (!l2.run_to_done({})) return;
    l2.same("second value", 0x2222, l2.registers.rbx);
    l2.conclude();
}

} // namespace

void test_shadowing() {
    if (!supported(shadowing_controls())) {
        skip("features.shadowing", "the processor has no VMCS shadowing");
        return;
    }
    link_pointers();
    bitmap_addresses();
    operand_page_fault();
    operand_ept_violations();
    operand_not_canonical();
    changing_roles();
    written_while_current();
}

} // namespace shadowtune::micro_l1
