#include "tests/micro_l1/round_trips.hpp"

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/ept.hpp"
#include "tests/micro_l1/field_model.hpp"
#include "tests/micro_l1/l2_steps.hpp"
#include "tests/micro_l1/second_processor.hpp"
#include "tests/micro_l1/unswitched.hpp"

namespace shadowtune::micro_l1 {

namespace {

using vmcs::Field;

constexpr std::uint64_t all_bits{~std::uint64_t{0}};
constexpr std::uint64_t valid_bit{1U << 31};
constexpr std::uint64_t resume_flag{1U << 16};
constexpr std::uint64_t cr4_fsgsbase{1U << 16};
constexpr std::uint64_t host_check_period{8};
constexpr std::uint64_t visit_period{16};

Page g_vmcs;
Page g_other_vmcs; // launched once, and visited in the middle of round trips
Page g_hole;
Ept g_ept;
StepStream g_stream;
FieldModel g_model;
GuestRegisters g_registers;
bool g_ready{false};
bool g_launched{false};
bool g_other_was_visited{false};
std::uint64_t g_other_rsp{0};
std::size_t g_step{0};
std::size_t g_cycle{0};
std::uint64_t g_trips_done{0};

// RAX, RCX and RDX are what the steps need, the others are there to be kept.
void load_registers(Prng& random) {
    constexpr std::uint64_t port{0x80};
    g_registers = {g_stream.hole(),
                   0,
                   port,
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next(),
                   random.next()};
}

[[nodiscard]] bool set_up_guest(Page& vmcs, const Controls& controls) {
    if (!set_up_vmcs(vmcs, controls, g_ept, {g_stream.start_of(0), 0})) return false;
    if ((cpuid(7).ebx & 1U) != 0) set(Field::guest_cr4, read_cr4() | cr4_fsgsbase);
    return true;
}

// The other VMCS takes one exit, so that it counts as launched.
[[nodiscard]] bool launch_other(const Controls& controls, Prng& random) {
    if (!set_up_guest(g_other_vmcs, controls)) return false;
    g_other_was_visited = false;
    load_registers(random);
    return enter_l2(g_registers, true) == EntryResult::exited;
}

[[nodiscard]] bool get_ready(Prng& random) {
    accesses_belong_to(vmcs::no_round_trip);
    g_launched = false;
    g_step = 0;
    enable_extended_state();
    g_ept.map_identity();
    g_ept.map_small(physical(&g_hole), 0, 0);
    const Controls basic{basic_controls()};
    const Controls steps{controls_for_steps()};
    const Controls controls{
        adjust({basic.pin, basic.cpu | steps.cpu, basic.cpu2 | steps.cpu2, basic.exit, basic.entry})};
    g_stream.make(random, controls, physical(&g_hole));
    if (!enter_vmx_operation() || !launch_other(controls, random) || !set_up_guest(g_vmcs, controls))
        return false;
    g_model.discover(controls);
    // From the start no field holds what the set-up left, but for those that have only one right value.
    for (std::size_t i{0}; i < g_model.size(); ++i) {
        if (g_model.writable(i)) g_model.write(i, false, random);
    }
    g_model.write(Field::guest_rip, g_stream.start_of(0));
    g_ready = true;
    return true;
}

void compare(const char* what, std::uint64_t wanted, std::uint64_t got) {
    if (wanted != got) g_model.report(what, wanted, got);
}

// SDM Vol. 3C, 26.3 "Changes to Instruction Behavior": bits of the mask come from the read shadow.
[[nodiscard]] std::uint64_t seen_by_l2(Field real, Field mask, Field shadow) {
    const std::uint64_t hidden{g_model.value(mask)};
    return (g_model.value(real) & ~hidden) | (g_model.value(shadow) & hidden);
}

// L2's registers: what L1 loaded, and where L2 looked at its own state, what the VMCS says of it.
void check_registers(const GuestRegisters& loaded, Probe probe) {
    GuestRegisters wanted{loaded};
    if (probe == Probe::state) {
        wanted.r8 = g_model.value(Field::guest_ds_selector);
        wanted.r9 = g_model.value(Field::guest_es_selector);
        wanted.r10 = g_model.value(Field::guest_fs_selector);
        wanted.r11 = g_model.value(Field::guest_gs_selector);
        wanted.r12 = g_model.value(Field::guest_rsp);
        wanted.r15 = seen_by_l2(Field::guest_cr0, Field::cr0_guest_host_mask, Field::cr0_read_shadow);
        wanted.rbp = seen_by_l2(Field::guest_cr4, Field::cr4_guest_host_mask, Field::cr4_read_shadow);
    }
    if (probe == Probe::bases) {
        wanted.r13 = g_model.value(Field::guest_fs_base);
        wanted.r14 = g_model.value(Field::guest_gs_base);
    }
    const auto* const want{reinterpret_cast<const std::uint64_t*>(&wanted)};
    const auto* const got{reinterpret_cast<const std::uint64_t*>(&g_registers)};
    for (std::size_t i{0}; i < sizeof(GuestRegisters) / sizeof(std::uint64_t); ++i) {
        compare(probe == Probe::none ? "register" : "register-seen-by-L2", want[i], got[i]);
    }
}

// L1's own state as the exit must have loaded it from the host-state area.
void check_host_state() {
    // Bits 31:16 are not used by SYSENTER, and Bochs 2.7 loads only the others.
    constexpr std::uint64_t used{0xFFFF};
    compare("host-sysenter-cs", g_model.value(Field::host_ia32_sysenter_cs) & used,
            read_msr(msr_sysenter_cs) & used);
    compare("host-sysenter-esp", g_model.value(Field::host_ia32_sysenter_esp), read_msr(msr_sysenter_esp));
    compare("host-sysenter-eip", g_model.value(Field::host_ia32_sysenter_eip), read_msr(msr_sysenter_eip));
    compare("host-fs-base", g_model.value(Field::host_fs_base), read_msr(msr_fs_base));
    compare("host-gs-base", g_model.value(Field::host_gs_base), read_msr(msr_gs_base));
    compare("host-pat", g_model.value(Field::host_ia32_pat), read_msr(msr_pat));
    compare("host-cr3", g_model.value(Field::host_cr3), read_cr3());
}

[[nodiscard]] std::uint64_t known_of_qualification(const StepKind& kind) {
    // Bits 6:3 and above 8 of an EPT violation's depend on features of the processor.
    if (kind.faults_in_ept) return 0x18F;
    // An instruction's displacement, and 0 with a register operand (28.2.1). Bochs 2.7 instead gives the
    // displacement of whatever instruction last lay in the same slot of its cache of decoded ones.
    constexpr std::uint64_t register_operand{1U << 10};
    const bool in_register{(kind.instruction_info.value & kind.instruction_info.mask & register_operand) !=
                           0};
    return in_register ? 0 : all_bits;
}

// What this exit defines, by SDM Vol. 3C, 28.2 "Recording VM-Exit Information" and 28.3 "Saving Guest State".
void expect_exit(const Step& step) {
    const StepKind& kind{*step.kind};
    g_model.after_exit();
    g_model.expect(Field::exit_reason, kind.reason, all_bits);
    const bool invlpg{kind.reason == static_cast<std::uint8_t>(vmcs::ExitReason::invlpg)};
    g_model.expect(Field::exit_qualification, invlpg ? g_stream.hole() : kind.qualification,
                   known_of_qualification(kind));
    g_model.expect(Field::vm_exit_interruption_information, kind.interruption_info,
                   kind.interruption_info == 0 ? valid_bit : 0x80000FFFU);
    g_model.expect(Field::idt_vectoring_information, 0, valid_bit);
    if (kind.length_defined) {
        g_model.expect(Field::vm_exit_instruction_length, step.next_rip - step.exit_rip, all_bits);
    }
    if (kind.instruction_info.mask != 0) {
        g_model.expect(Field::vm_exit_instruction_information, kind.instruction_info.value,
                       kind.instruction_info.mask);
    }
    if (kind.faults_in_ept) {
        g_model.expect(Field::guest_physical_address, g_stream.hole(), all_bits);
        g_model.expect(Field::guest_linear_address, g_stream.hole(), all_bits);
    }
    g_model.expect(Field::guest_rip, step.exit_rip, all_bits);
    if (kind.raises_resume_flag) {
        g_model.expect(Field::guest_rflags, g_model.value(Field::guest_rflags), ~resume_flag);
    }
}

void scripted_accesses(const RoundTripPlan& plan, Prng& random) {
    // One access goes round all fields in turn, reading and writing, so that none is left out; the others
    // jump about.
    std::uint64_t accesses{1 + random.below(plan.max_accesses)};
    for (; accesses != 0; --accesses) {
        const bool in_turn{accesses == 1};
        const std::uint64_t choice{in_turn ? g_cycle++ : random.next() >> 8};
        const std::size_t i{(choice / 4) % g_model.size()};
        const bool high{g_model.has_high_half(i) && (choice & 1U) != 0};
        const bool write{g_model.writable(i) && (choice & 2U) != 0};
        if (write) {
            g_model.write(i, high, random);
        } else {
            g_model.read(i, high);
        }
    }
}

// What a hypervisor does that nests others: while it handles an exit it turns to another VMCS that it has
// launched, and back. These accesses belong to the same round trip.
void visit_other(Prng& random) {
    if (vmptrld(physical(&g_other_vmcs)) != VmxResult::succeed) return g_model.report("VMPTRLD there", 0, 1);
    if (g_other_was_visited) compare("other-vmcs", g_other_rsp, get(Field::guest_rsp));
    g_other_rsp = random.next();
    g_other_was_visited = true;
    set(Field::guest_rsp, g_other_rsp);
    compare("other-vmcs", g_other_rsp, get(Field::guest_rsp));
    if (vmptrld(physical(&g_vmcs)) != VmxResult::succeed) g_model.report("VMPTRLD back", 0, 1);
}

// What an L0 that loses a write would do, to show that the model notices: not counted, not in the model.
void spoil_a_field(Prng& random) {
    const auto encoding{vmcs::encoding_of(Field::guest_ia32_sysenter_esp)};
    const std::uint64_t other{g_model.value(Field::guest_ia32_sysenter_esp) ^ (1U + random.below(0xFFFF))};
    if (vmwrite_shape(0, encoding, other) != VmxResult::succeed) g_model.report("spoiling failed", 0, 0);
}

[[nodiscard]] bool enter() {
    const EntryResult result{enter_l2(g_registers, !g_launched)};
    if (result == EntryResult::exited) {
        g_launched = true;
        return true;
    }
    accesses_belong_to(vmcs::no_round_trip);
    print_line("FAIL entry: ", result == EntryResult::fail_invalid ? "VMfailInvalid" : "VMfailValid",
               " error ", result == EntryResult::fail_valid ? get(Field::vm_instruction_error) : 0,
               " in trip ", g_trips_done);
    return false;
}

[[nodiscard]] bool one_trip(const RoundTripPlan& plan, Prng& random) {
    load_registers(random);
    load_unswitched(random);
    const GuestRegisters loaded{g_registers};
    if (!enter()) return false;
    const Step& step{g_stream[g_step]};
    // The script knows the reason before it reads it; an L0 counts by the reason it has delivered.
    accesses_belong_to(step.kind->reason);
    const std::uint64_t errors_before{g_model.errors()};
    g_model.set_trip(++g_trips_done);
    expect_exit(step);
    g_model.read(Field::exit_reason);
    if (g_model.errors() != errors_before) {
        print_line("FAIL trips: L2 exited for another reason than step ", g_step, " of its stream, at ",
                   hex(get(Field::guest_rip)), " qualification ", hex(get(Field::exit_qualification)));
        return false;
    }
    check_registers(loaded, step.kind->probe);
    check_unswitched(
        [](const char* what, std::uint64_t wanted, std::uint64_t got) { g_model.report(what, wanted, got); });
    if (g_trips_done % host_check_period == 0) check_host_state();
    if (random.one_in(2)) g_model.read(Field::exit_qualification);
    if (random.one_in(2)) g_model.read(Field::vm_exit_instruction_length);
    g_model.read(Field::guest_rip);
    scripted_accesses(plan, random);
    if (random.one_in(visit_period)) {
        visit_other(random);
        scripted_accesses(plan, random);
    }
    if (plan.check_all != 0 && g_trips_done % plan.check_all == 0) g_model.check_all();
    if (plan.spoil != 0 && g_trips_done % plan.spoil == 0) spoil_a_field(random);
    g_step = (g_step + 1) % g_stream.size();
    g_model.write(Field::guest_rip, g_stream.start_of(g_step));
    return true;
}

} // namespace

RoundTripResult run_round_trips(const RoundTripPlan& plan) {
    Prng random{plan.seed + (is_second_processor() ? 1 : 0)};
    RoundTripResult result{};
    // Another script may have used another VMCS meanwhile, or left VMX operation: then all begins anew.
    const bool current{g_ready && enter_vmx_operation() && vmptrst() == physical(&g_vmcs)};
    result.ran = current || get_ready(random);
    while (result.ran && (plan.trips == 0 || result.trips < plan.trips)) {
        if (!one_trip(plan, random)) {
            result.ran = false;
            break;
        }
        ++result.trips;
        if (plan.mark != 0 && result.trips % plan.mark == 0) {
            print_line("MARK trips=", result.trips, " errors=", g_model.errors());
        }
        if (plan.stoppable && input_waiting() && read_line() == "stop") break;
    }
    result.errors = g_model.errors();
    result.hash = g_model.hash();
    result.fields = g_model.size();
    return result;
}

} // namespace shadowtune::micro_l1
