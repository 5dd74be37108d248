// designs: two ways for an L0 to keep an L1's shadow VMCS, executed beside each other, with the micro-L1 as
// L0. Its "L1" reads `reads` fields, writes `writes` of them, among these another RIP, and executes VMRESUME;
// its L2 executes CPUID.
//   copy: the shadow VMCS is a VMCS of its own. What L1 may read is copied there at L2's exit, what it may
//   have
//         written is copied back before L2's entry, in each case where the value is another.
//   flip: vmcs02 is the shadow VMCS. Its indicator is set at L2's exit and cleared before L2's entry, each
//   behind a
//         VMCLEAR (SDM Vol. 3C, 25.2 and 25.11.1), which makes each entry a VMLAUNCH.
// Parameters: writes (0 to 20, default 1), reads (writes to writes + 20, default 6), trips (default 1000).

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

namespace {

// Fields whose value in vmcs02 is L1's own. Written and read:
constexpr Field written_fields[]{Field::guest_rip,
                                 Field::guest_rflags,
                                 Field::guest_rsp,
                                 Field::guest_cr0,
                                 Field::guest_cr3,
                                 Field::guest_cr4,
                                 Field::guest_interruptibility_state,
                                 Field::guest_activity_state,
                                 Field::guest_pending_debug_exceptions,
                                 Field::guest_cs_selector,
                                 Field::guest_cs_base,
                                 Field::guest_cs_limit,
                                 Field::guest_cs_access_rights,
                                 Field::guest_ss_selector,
                                 Field::guest_ss_base,
                                 Field::guest_ss_limit,
                                 Field::guest_ss_access_rights,
                                 Field::guest_ds_selector,
                                 Field::guest_ds_base,
                                 Field::guest_ds_limit};
// Only read:
constexpr Field other_fields[]{Field::exit_reason,
                               Field::exit_qualification,
                               Field::vm_exit_instruction_length,
                               Field::idt_vectoring_information,
                               Field::vm_exit_interruption_information,
                               Field::guest_physical_address,
                               Field::guest_linear_address,
                               Field::vm_exit_instruction_information,
                               Field::vm_exit_interruption_error_code,
                               Field::idt_vectoring_error_code,
                               Field::guest_es_selector,
                               Field::guest_es_base,
                               Field::guest_es_limit,
                               Field::guest_es_access_rights,
                               Field::guest_tr_selector,
                               Field::guest_tr_base,
                               Field::guest_tr_limit,
                               Field::guest_tr_access_rights,
                               Field::guest_gdtr_base,
                               Field::guest_gdtr_limit};
constexpr std::size_t most_written{sizeof(written_fields) / sizeof(Field)};
constexpr std::size_t most_others{sizeof(other_fields) / sizeof(Field)};
constexpr std::size_t most_read{most_written + most_others};

constexpr std::uint32_t shadow_indicator{1U << 31};
constexpr std::uint64_t cpuid_bytes{2};

Page g_vmcs01;
Page g_vmcs02;
Page g_shadow;
Page g_bitmap; // all clear: each access of L1's goes to the shadow VMCS
Ept g_ept;
alignas(4096) std::uint8_t g_code[4096]; // L2's
alignas(16) std::uint8_t g_stack[1024];
GuestRegisters g_l1;
GuestRegisters g_l2;

std::size_t g_reads{0};
std::size_t g_writes{0};
std::uint64_t g_values[most_read]; // of the fields that L1 reads, as it left them

struct Executed {
    std::uint64_t vmread{0}, vmwrite{0}, vmptrld{0}, vmclear{0};
};
Executed g_executed;

[[nodiscard]] std::uint64_t l0_read(Field field) {
    std::uint64_t value;
    ++g_executed.vmread;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"(std::uint64_t{vmcs::encoding_of(field)}) : "cc");
    return value;
}
void l0_write(Field field, std::uint64_t value) {
    ++g_executed.vmwrite;
    asm volatile("vmwrite %0, %1" : : "r"(value), "r"(std::uint64_t{vmcs::encoding_of(field)}) : "cc");
}
void l0_make_current(const Page& region) {
    ++g_executed.vmptrld;
    (void)vmptrld(physical(&region));
}
void l0_clear(const Page& region) {
    ++g_executed.vmclear;
    (void)vmclear(physical(&region));
}

[[nodiscard]] Field field_read(std::size_t i) {
    return i < g_writes ? written_fields[i] : other_fields[i - g_writes];
}
[[nodiscard]] std::uint64_t read_by_l1(Field field) {
    std::uint64_t value;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"(std::uint64_t{vmcs::encoding_of(field)}) : "cc");
    return value;
}

void l1_main() {
    for (;;) {
        for (std::size_t i{0}; i < g_reads; ++i)
            g_values[i] = read_by_l1(field_read(i));
        for (std::size_t i{0}; i < g_writes; ++i) {
            if (written_fields[i] == Field::guest_rip) g_values[i] += cpuid_bytes;
            asm volatile("vmwrite %0, %1"
                         :
                         : "r"(g_values[i]), "r"(std::uint64_t{vmcs::encoding_of(written_fields[i])})
                         : "cc");
        }
        asm volatile("vmresume" : : : "cc", "memory");
    }
}

void set_indicator(Page& region, bool on) {
    auto& revision{*reinterpret_cast<volatile std::uint32_t*>(region.bytes)};
    revision = on ? revision | shadow_indicator : revision & ~shadow_indicator;
}

struct Copy {
    static const Page& linked() { return g_shadow; }
    static void to_l1() {
        std::uint64_t now[most_read];
        for (std::size_t i{0}; i < g_reads; ++i)
            now[i] = l0_read(field_read(i));
        l0_make_current(g_shadow);
        for (std::size_t i{0}; i < g_reads; ++i) {
            if (now[i] == shadow[i]) continue;
            shadow[i] = now[i];
            l0_write(field_read(i), now[i]);
        }
        l0_clear(g_shadow);
        l0_make_current(g_vmcs01);
    }
    static void to_l2() {
        std::uint64_t changed[most_written];
        std::size_t changes{0};
        if (g_writes != 0) l0_make_current(g_shadow);
        for (std::size_t i{0}; i < g_writes; ++i) {
            const std::uint64_t value{l0_read(written_fields[i])};
            if (value == shadow[i]) continue;
            shadow[i] = value;
            changed[changes++] = i;
        }
        l0_make_current(g_vmcs02);
        for (std::size_t n{0}; n < changes; ++n)
            l0_write(written_fields[changed[n]], shadow[changed[n]]);
    }
    static constexpr bool launches{false};

    static inline std::uint64_t shadow[most_read]; // what the shadow VMCS holds
};

struct Flip {
    static const Page& linked() { return g_vmcs02; }
    static void to_l1() {
        l0_clear(g_vmcs02);
        set_indicator(g_vmcs02, true);
        l0_make_current(g_vmcs01);
    }
    static void to_l2() {
        l0_clear(g_vmcs02);
        set_indicator(g_vmcs02, false);
        l0_make_current(g_vmcs02);
    }
    static constexpr bool launches{true};
};

[[nodiscard]] bool exits_for(GuestRegisters& registers, bool launch, ExitReason wanted) {
    if (enter_l2(registers, launch) != EntryResult::exited) {
        fail("designs", "VM entry failed, VM-instruction error ", get(Field::vm_instruction_error));
        return false;
    }
    const std::uint64_t reason{l0_read(Field::exit_reason)};
    if (reason == static_cast<std::uint64_t>(wanted)) return true;
    fail("designs", "exit reason ", reason, " instead of ", static_cast<std::uint64_t>(wanted));
    return false;
}

void skip_l1_vmresume() {
    l0_write(Field::guest_rip, l0_read(Field::guest_rip) + l0_read(Field::vm_exit_instruction_length));
}

[[nodiscard]] bool make_vmcss(const Page& linked) {
    const Controls basic{basic_controls()};
    if (!set_up_vmcs(g_vmcs02, basic, g_ept, {physical(g_code), physical(g_stack)})) return false;
    if (!exits_for(g_l2, true, ExitReason::cpuid)) return false;
    for (std::size_t i{0}; i < g_reads; ++i)
        Copy::shadow[i] = l0_read(field_read(i));
    // The shadow VMCS begins as a copy.
    (void)vmclear(physical(&g_vmcs02));
    g_shadow = g_vmcs02;
    set_indicator(g_shadow, true);
    const Controls shadowing{basic.pin, basic.cpu, basic.cpu2 | cpu2_vmcs_shadowing, basic.exit, basic.entry};
    const L2Start l1{physical(reinterpret_cast<const void*>(&l1_main)),
                     physical(g_stack) + sizeof(g_stack) - 8};
    if (!set_up_vmcs(g_vmcs01, shadowing, g_ept, l1)) return false;
    set(Field::vmread_bitmap, physical(&g_bitmap));
    set(Field::vmwrite_bitmap, physical(&g_bitmap));
    set(Field::vmcs_link_pointer, physical(&linked));
    l0_make_current(g_vmcs02);
    return true;
}

template <typename Design>
void measure(const char* name, std::uint64_t trips) {
    if (!make_vmcss(Design::linked())) return;
    std::uint64_t begin{0};
    // L2 has exited. The first round trip launches what the others resume.
    for (std::uint64_t trip{0}; trip <= trips; ++trip) {
        const bool is_first{trip == 0};
        if (trip == 1) {
            g_executed = {};
            begin = read_tsc();
        }
        Design::to_l1();
        if (!is_first) skip_l1_vmresume();
        if (!exits_for(g_l1, is_first, ExitReason::vmresume)) return;
        Design::to_l2();
        if (!exits_for(g_l2, is_first || Design::launches, ExitReason::cpuid)) return;
    }
    const std::uint64_t ticks{read_tsc() - begin};
    const auto per_trip{[trips](std::uint64_t count) { return (count + trips / 2) / trips; }};
    print_line("RESULT name=designs design=", name, " reads=", g_reads, " writes=", g_writes,
               " ticks=", per_trip(ticks), " vmread=", per_trip(g_executed.vmread),
               " vmwrite=", per_trip(g_executed.vmwrite), " vmptrld=", per_trip(g_executed.vmptrld),
               " vmclear=", per_trip(g_executed.vmclear));
    // Each round trip has moved L2 on by one CPUID, unless L1 may not write RIP.
    const std::uint64_t rip{l0_read(Field::guest_rip)};
    const std::uint64_t moved{g_writes == 0 ? 0 : (trips + 1) * cpuid_bytes % looped_code_bytes};
    expect(name, "L2's place in its code", moved, rip - physical(g_code));
}

} // namespace

void run_designs(const Parameters& parameters) {
    g_writes = parameters.number("writes", 1);
    g_reads = parameters.number("reads", 6);
    if (g_writes > most_written || g_reads < g_writes || g_reads > g_writes + most_others) {
        return fail("designs", "writes is to be 0 to ", most_written, ", reads writes to writes + ",
                    most_others);
    }
    write_looped_code(g_code, 0x0F, 0xA2); // CPUID
    g_ept.map_identity();
    if (!enter_vmx_operation()) return;
    const std::uint64_t trips{parameters.number("trips", 1000)};
    measure<Copy>("copy", trips);
    measure<Flip>("flip", trips);
}

} // namespace shadowtune::micro_l1
