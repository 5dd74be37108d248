// Features: VM functions (EPTP switching) and TSC scaling. SDM Vol. 3C, 26.5.6 and 26.3 (edition 325462-087).

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t eptp_switching{1};

volatile std::uint64_t g_target;

struct alignas(4096) EptpList {
    std::uint64_t entries[512];
};
EptpList g_list;
Ept g_other_ept;

[[nodiscard]] Controls vmfunc_controls() {
    const Controls basic{basic_controls()};
    return {basic.pin, basic.cpu, basic.cpu2 | cpu2_vm_functions, basic.exit, basic.entry};
}

// 0F 01 D4: some assemblers do not know the name.
void vmfunc(std::uint64_t function, std::uint64_t operand) {
    asm volatile(".byte 0x0F, 0x01, 0xD4" : : "a"(function), "c"(operand) : "memory", "cc");
}

[[nodiscard]] std::uint64_t read_target() {
    return *reinterpret_cast<volatile std::uint64_t*>(g_target);
}

// RDX comes to L2 by its registers at the first entry: which function, and R8: which operand.
volatile std::uint64_t g_function, g_operand;
void l2_calls_function() {
    vmfunc(g_function, g_operand);
    l2_done(read_target());
}
void l2_switches_to_and_fro() {
    const std::uint64_t first{read_target()};
    vmfunc(0, 1);
    const std::uint64_t second{read_target()};
    vmfunc(0, 0xFFFF'FFFF'0000'0000); // only ECX counts
    l2_call(first, second);
    l2_done(read_target());
}

// Two EPTs in which the target lies on different pages.
[[nodiscard]] bool prepare_two(L2& l2, L2Function function) {
    Page& first{scratch_page(0)};
    Page& second{scratch_page(1)};
    first.bytes[0] = 0x11;
    second.bytes[0] = 0x22;
    feature_ept().map_identity();
    g_other_ept.map_identity();
    g_other_ept.map_small(physical(&first), physical(&second), ept_all);
    g_target = physical(&first);
    for (auto& entry : g_list.entries)
        entry = 0;
    g_list.entries[0] = feature_ept().pointer();
    g_list.entries[1] = g_other_ept.pointer();
    g_list.entries[2] = g_other_ept.pointer() | 0x800; // a reserved bit
    g_list.entries[511] = g_other_ept.pointer();
    if (!l2.prepare(vmfunc_controls(), feature_ept(), function)) return false;
    set(Field::vm_function_controls, eptp_switching);
    set(Field::eptp_list_address, physical(&g_list));
    flush_ept();
    return true;
}

[[nodiscard]] bool has_eptp_index() {
    std::uint64_t value{0};
    return vmread(vmcs::encoding_of(Field::eptp_index), value) == VmxResult::succeed;
}

void eptp_switch() {
    L2 l2{"features.eptp-switching"};
    if (!prepare_two(l2, l2_switches_to_and_fro)) return;
    const bool index{has_eptp_index()};
    if (index) set(Field::eptp_index, 0x1234);
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.same("what L2 read at first", 0x11, l2.registers.rax);
    l2.same("what it read after the switch", 0x22, l2.registers.rbx);
    l2.same("EPT pointer", feature_ept().pointer(), get(Field::ept_pointer));
    if (index) l2.same("EPTP index", 0, get(Field::eptp_index));
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    l2.same("what it read after the switch back", 0x11, l2.registers.rbx);

    // The last entry of the list; what L1 finds in the VMCS is where L2 is now.
    g_function = 0;
    g_operand = 511;
    if (!prepare_two(l2, l2_calls_function)) return;
    if (!l2.run_to_done({})) return;
    l2.same("what L2 read in the last EPT", 0x22, l2.registers.rbx);
    l2.same("EPT pointer of the last", g_other_ept.pointer(), get(Field::ept_pointer));
    if (index) l2.same("EPTP index of the last", 511, get(Field::eptp_index));
    l2.conclude();
}

// 26.5.6.2 and 26.5.6.3: what exits, and leaves all as it was.
void eptp_switch_exits() {
    L2 l2{"features.vmfunc-exits"};
    struct Case {
        std::uint64_t function, operand, functions;
    };
    constexpr Case cases[]{{0, 512, eptp_switching},        {0, 2, eptp_switching},
                           {0, 3, eptp_switching},          {0, 1, 0},
                           {1, 1, eptp_switching},          {63, 0, eptp_switching},
                           {0, 0xFFFFFFFF, eptp_switching}, {0xFFFF'FFFF'0000'0000, 512, eptp_switching}};
    for (const Case& c : cases) {
        g_function = c.function;
        g_operand = c.operand;
        if (!prepare_two(l2, l2_calls_function)) return;
        set(Field::vm_function_controls, c.functions);
        if (!l2.go_to(ExitReason::vmfunc)) return;
        l2.same("qualification", 0, l2.qualification);
        l2.same("length", 3, get(Field::vm_exit_instruction_length));
        l2.same("EPT pointer", feature_ept().pointer(), get(Field::ept_pointer));
        l2.skip_instruction();
        if (!l2.run_to_done({})) return;
        l2.same("what L2 reads", 0x11, l2.registers.rbx);
    }
    l2.conclude();
}

// Without the control, and for functions that cannot be, VMFUNC is undefined: #UD, here by the exception
// bitmap.
void vmfunc_undefined() {
    L2 l2{"features.vmfunc-undefined"};
    constexpr std::uint32_t invalid_opcode_bit{1U << 6};
    for (const bool enabled : {true, false}) {
        g_function = enabled ? 64 : 0;
        g_operand = 1;
        if (!prepare_two(l2, l2_calls_function)) return;
        if (!enabled) set(Field::secondary_processor_based_controls, basic_controls().cpu2);
        set(Field::exception_bitmap, invalid_opcode_bit);
        if (!l2.go_to(ExitReason::exception_or_nmi)) return;
        l2.same("interruption information", 0x80000306, get(Field::vm_exit_interruption_information));
    }
    l2.conclude();
}

void entry_fails(L2& l2, Field field, std::uint64_t value) {
    const std::uint64_t kept{get(field)};
    set(field, value);
    const EntryResult result{enter_l2(l2.registers, true)};
    l2.same("entry", static_cast<std::uint64_t>(EntryResult::fail_valid), static_cast<std::uint64_t>(result));
    l2.same("VM-instruction error", 7, get(Field::vm_instruction_error));
    set(field, kept);
}

void vmfunc_controls_checked() {
    L2 l2{"features.vmfunc-controls"};
    if (!prepare_two(l2, l2_done_at_once)) return;
    entry_fails(l2, Field::vm_function_controls, 2);
    entry_fails(l2, Field::vm_function_controls, std::uint64_t{1} << 63);
    entry_fails(l2, Field::eptp_list_address, physical(&g_list) + 8);
    entry_fails(l2, Field::secondary_processor_based_controls,
                vmfunc_controls().cpu2 & ~(cpu2_ept | cpu2_unrestricted));
    // Without EPTP switching its list does not matter; without the control nor do the functions.
    set(Field::vm_function_controls, 0);
    set(Field::eptp_list_address, 8);
    if (!l2.run_to_done({})) return;
    if (!prepare_two(l2, l2_done_at_once)) return;
    set(Field::secondary_processor_based_controls, basic_controls().cpu2);
    set(Field::vm_function_controls, ~std::uint64_t{0});
    set(Field::eptp_list_address, 8);
    if (!l2.run_to_done({})) return;
    l2.conclude();
}

void l2_reads_tsc() {
    const std::uint64_t first{read_tsc()};
    for (unsigned i{0}; i < 1000; ++i)
        asm volatile("" : : : "memory");
    l2_call(first, read_tsc());
    l2_done();
}

// The product of TSC and multiplier, shifted right by 48, and the offset on top (26.3).
void tsc_scaling() {
    constexpr std::string_view test{"features.tsc-scaling"};
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_tsc_offset, basic.cpu2 | cpu2_tsc_scaling, basic.exit,
                            basic.entry};
    if (!supported(controls)) {
        skip(test, "the processor has no TSC scaling");
        return;
    }
    constexpr std::uint64_t one{std::uint64_t{1} << 48};
    constexpr std::uint64_t offset{0x1000'0000'0000};
    L2 l2{test};
    for (const std::uint64_t factor : {1U, 4U}) {
        if (!l2.prepare(controls, feature_ept(), l2_reads_tsc)) return;
        set(Field::tsc_offset, offset);
        set(Field::tsc_multiplier, one * factor);
        const std::uint64_t before{read_tsc()};
        if (!l2.go_to(ExitReason::vmcall)) return;
        const std::uint64_t after{read_tsc()};
        l2.same("L2's TSC is not too early", 1, l2.registers.rax >= before * factor + offset ? 1 : 0);
        l2.same("L2's TSC is not too late", 1, l2.registers.rbx <= after * factor + offset ? 1 : 0);
        l2.same("the second is later", 1, l2.registers.rbx > l2.registers.rax ? 1 : 0);
    }
    if (!l2.prepare(controls, feature_ept(), l2_done_at_once)) return;
    set(Field::tsc_multiplier, one);
    entry_fails(l2, Field::tsc_multiplier, 0);
    if (!l2.run_to_done({})) return;
    l2.conclude();
}

} // namespace

void test_vm_functions() {
    if (supported(vmfunc_controls()) && (read_msr(msr_vmx_vmfunc) & eptp_switching) != 0) {
        eptp_switch();
        eptp_switch_exits();
        vmfunc_undefined();
        vmfunc_controls_checked();
    } else {
        skip("features.eptp-switching", "the processor has no VM functions");
    }
    tsc_scaling();
    feature_ept().map_identity();
}

} // namespace shadowtune::micro_l1
