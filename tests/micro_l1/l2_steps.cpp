#include "tests/micro_l1/l2_steps.hpp"

#include "tests/micro_l1/cpu.hpp"
#include "vmcs/exit_reason.hpp"

namespace shadowtune::micro_l1 {

namespace {

using vmcs::ExitReason;

#define DECLARE_STEP(name)                                                                                   \
    extern "C" const char l2_step_##name[], l2_step_##name##_exit[], l2_step_##name##_end[]
DECLARE_STEP(cpuid);
DECLARE_STEP(vmcall);
DECLARE_STEP(hlt);
DECLARE_STEP(out_immediate);
DECLARE_STEP(out_register);
DECLARE_STEP(in_register);
DECLARE_STEP(rdmsr);
DECLARE_STEP(wrmsr);
DECLARE_STEP(rdtsc);
DECLARE_STEP(rdpmc);
DECLARE_STEP(invlpg);
DECLARE_STEP(pause);
DECLARE_STEP(monitor);
DECLARE_STEP(mwait);
DECLARE_STEP(invd);
DECLARE_STEP(wbinvd);
DECLARE_STEP(to_cr3);
DECLARE_STEP(from_cr3);
DECLARE_STEP(to_dr);
DECLARE_STEP(from_dr);
DECLARE_STEP(vmxoff);
DECLARE_STEP(vmlaunch);
DECLARE_STEP(vmresume);
DECLARE_STEP(vmclear);
DECLARE_STEP(vmptrld);
DECLARE_STEP(vmptrst);
DECLARE_STEP(vmread);
DECLARE_STEP(vmwrite);
DECLARE_STEP(sgdt);
DECLARE_STEP(str);
DECLARE_STEP(load_hole);
DECLARE_STEP(store_hole);
DECLARE_STEP(undefined);
DECLARE_STEP(breakpoint);
DECLARE_STEP(compute);
DECLARE_STEP(probe);
DECLARE_STEP(probe_bases);
#undef DECLARE_STEP

#define STEP(name) l2_step_##name, l2_step_##name##_exit, l2_step_##name##_end
#define REASON(name) static_cast<std::uint8_t>(ExitReason::name)

constexpr Controls cpu(std::uint32_t bits) {
    return {0, bits, 0, 0, 0};
}
constexpr Controls cpu2(std::uint32_t bits) {
    return {0, cpu_secondary, bits, 0, 0};
}

// INVLPG's qualification and the EPT violations' addresses are the hole's: see StepStream and
// round_trips.cpp.
constexpr Expected undefined_info{0, 0};
// [RAX]: 64-bit addresses, DS, base RAX, no index, memory (Vol. 3C, Tables 28-13 and 28-14).
constexpr Expected memory_info{0x00418100, 0x0FC38780};
constexpr Expected register_info{0x20000418, 0xF0000478}; // VMREAD RBX, RDX: register 1 RBX, register 2 RDX
constexpr Expected sgdt_info{0x00418100, 0x3FC38780};     // Table 28-10: identity 0
constexpr Expected str_info{0x10000408, 0x30000478};      // Table 28-11: identity 1, register ECX
// Qualification of EPT violations, bits 5:0, 7 and 8 (Table 28-7): data read or write of an unmapped page,
// linear address valid, and not from a page walk.
constexpr std::uint64_t hole_read{0x181};
constexpr std::uint64_t hole_write{0x182};

const StepKind step_kinds[]{
    {STEP(cpuid), REASON(cpuid), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(vmcall), REASON(vmcall), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(hlt), REASON(hlt), 0, true, undefined_info, 0, false, false, cpu(cpu_hlt), Probe::none},
    // I/O: port in bits 31:16, bit 6 immediate, bit 3 IN, bits 2:0 size - 1 (Table 28-5).
    {STEP(out_immediate), REASON(io_instruction), 0x00800040, true, undefined_info, 0, false, false,
     cpu(cpu_io), Probe::none},
    {STEP(out_register), REASON(io_instruction), 0x00800003, true, undefined_info, 0, false, false,
     cpu(cpu_io), Probe::none},
    {STEP(in_register), REASON(io_instruction), 0x00800009, true, undefined_info, 0, false, false,
     cpu(cpu_io), Probe::none},
    {STEP(rdmsr), REASON(rdmsr), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(wrmsr), REASON(wrmsr), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(rdtsc), REASON(rdtsc), 0, true, undefined_info, 0, false, false, cpu(cpu_rdtsc), Probe::none},
    {STEP(rdpmc), REASON(rdpmc), 0, true, undefined_info, 0, false, false, cpu(cpu_rdpmc), Probe::none},
    {STEP(invlpg), REASON(invlpg), 0, true, undefined_info, 0, false, false, cpu(cpu_invlpg), Probe::none},
    {STEP(pause), REASON(pause), 0, true, undefined_info, 0, false, false, cpu(cpu_pause), Probe::none},
    {STEP(monitor), REASON(monitor), 0, true, undefined_info, 0, false, false, cpu(cpu_monitor), Probe::none},
    {STEP(mwait), REASON(mwait), 0, true, undefined_info, 0, false, false, cpu(cpu_mwait), Probe::none},
    {STEP(invd), REASON(invd), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(wbinvd), REASON(wbinvd), 0, true, undefined_info, 0, false, false, cpu2(cpu2_wbinvd), Probe::none},
    // Control registers: register in bits 11:8, access in 5:4, number in 3:0 (Table 28-3).
    {STEP(to_cr3), REASON(control_register_access), 0x303, true, undefined_info, 0, false, false,
     cpu(cpu_cr3_load), Probe::none},
    {STEP(from_cr3), REASON(control_register_access), 0x913, true, undefined_info, 0, false, false,
     cpu(cpu_cr3_store), Probe::none},
    // Debug registers: register in bits 11:8, bit 4 direction, number in 2:0 (Table 28-4).
    {STEP(to_dr), REASON(mov_dr), 0x602, true, undefined_info, 0, false, false, cpu(cpu_mov_dr), Probe::none},
    {STEP(from_dr), REASON(mov_dr), 0xA17, true, undefined_info, 0, false, false, cpu(cpu_mov_dr),
     Probe::none},
    {STEP(vmxoff), REASON(vmxoff), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(vmlaunch), REASON(vmlaunch), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(vmresume), REASON(vmresume), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(vmclear), REASON(vmclear), 0, true, memory_info, 0, false, false, {}, Probe::none},
    {STEP(vmptrld), REASON(vmptrld), 0, true, memory_info, 0, false, false, {}, Probe::none},
    {STEP(vmptrst), REASON(vmptrst), 0, true, memory_info, 0, false, false, {}, Probe::none},
    {STEP(vmread), REASON(vmread), 0, true, register_info, 0, false, false, {}, Probe::none},
    {STEP(vmwrite), REASON(vmwrite), 0, true, register_info, 0, false, false, {}, Probe::none},
    {STEP(sgdt), REASON(gdtr_or_idtr_access), 0, true, sgdt_info, 0, false, false,
     cpu2(cpu2_descriptor_table), Probe::none},
    {STEP(str), REASON(ldtr_or_tr_access), 0, true, str_info, 0, false, false, cpu2(cpu2_descriptor_table),
     Probe::none},
    {STEP(load_hole), REASON(ept_violation), hole_read, false, undefined_info, 0, true, true, cpu2(cpu2_ept),
     Probe::none},
    {STEP(store_hole), REASON(ept_violation), hole_write, false, undefined_info, 0, true, true,
     cpu2(cpu2_ept), Probe::none},
    // Vector, type (3 hardware, 6 software exception), valid (Table 25-18); no error code.
    {STEP(undefined),
     REASON(exception_or_nmi),
     0,
     false,
     undefined_info,
     0x80000306,
     false,
     true,
     {},
     Probe::none},
    {STEP(breakpoint),
     REASON(exception_or_nmi),
     0,
     true,
     undefined_info,
     0x80000603,
     false,
     true,
     {},
     Probe::none},
    {STEP(compute), REASON(vmcall), 0, true, undefined_info, 0, false, false, {}, Probe::none},
    {STEP(probe), REASON(cpuid), 0, true, undefined_info, 0, false, false, {}, Probe::state},
    {STEP(probe_bases), REASON(vmcall), 0, true, undefined_info, 0, false, false, {}, Probe::bases},
};

#undef STEP
#undef REASON

constexpr std::size_t kind_count{sizeof(step_kinds) / sizeof(step_kinds[0])};
constexpr std::size_t code_size{8192};
alignas(4096) std::uint8_t g_code[code_size];

[[nodiscard]] bool has(const Controls& controls, const Controls& needs) {
    return (controls.cpu & needs.cpu) == needs.cpu && (controls.cpu2 & needs.cpu2) == needs.cpu2;
}

[[nodiscard]] bool has_rdfsbase() {
    return (cpuid(7).ebx & 1U) != 0;
}
[[nodiscard]] bool has_monitor() {
    return (cpuid(1).ecx >> 3 & 1U) != 0;
}

[[nodiscard]] bool usable(const StepKind& kind, const Controls& controls) {
    if (kind.probe == Probe::bases && !has_rdfsbase()) return false;
    const bool monitors{kind.begin == l2_step_monitor || kind.begin == l2_step_mwait};
    if (monitors && !has_monitor()) return false;
    return has(controls, kind.needs);
}

} // namespace

void StepStream::make(Prng& random, const Controls& controls, std::uint64_t hole) {
    const StepKind* usable_kinds[kind_count];
    std::size_t usable_count{0};
    for (const StepKind& kind : step_kinds) {
        if (usable(kind, controls)) usable_kinds[usable_count++] = &kind;
    }
    m_count = 0;
    m_hole = hole;
    std::size_t used{0};
    while (m_count < max_steps) {
        // Each kind at least once, then by chance.
        const std::size_t choice{m_count < usable_count ? m_count : random.below(usable_count)};
        const StepKind& kind{*usable_kinds[choice]};
        const auto length{static_cast<std::size_t>(kind.end - kind.begin)};
        if (used + length > code_size) break;
        __builtin_memcpy(g_code + used, kind.begin, length);
        const std::uint64_t start{physical(g_code) + used};
        m_steps[m_count++] = {&kind, start + static_cast<std::uint64_t>(kind.exit_at - kind.begin),
                              start + length};
        used += length;
    }
}

std::uint64_t StepStream::start_of(std::size_t i) const {
    return i == 0 ? physical(g_code) : m_steps[i - 1].next_rip;
}

Controls controls_for_steps() {
    Controls all{};
    for (const StepKind& kind : step_kinds) {
        all.cpu |= kind.needs.cpu;
        all.cpu2 |= kind.needs.cpu2;
    }
    return all;
}

} // namespace shadowtune::micro_l1
