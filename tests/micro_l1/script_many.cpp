// many: what a round trip takes where L1 has many VMCSs. Each has an L2 that executes CPUID for ever, and an
// EPT of its own. L1 skips the instruction and enters the same L2 again, or with turn=1 the next one.
// Parameters: vmcss (1 to 1000, default 1; only the first run makes them), turn, trips (default 10000).

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/ept.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"
#include "tests/micro_l1/vmcs_access.hpp"
#include "tests/micro_l1/vmcs_setup.hpp"

namespace shadowtune::micro_l1 {

namespace {

using vmcs::Field;

constexpr std::uint64_t most_vmcss{1000};
constexpr std::uint64_t page_size{sizeof(Page)};
// Above both images, and below L0 in a machine of 128 MiB: a VMCS and an EPT's root table for each.
constexpr std::uint64_t vmcss_address{64U << 20};
constexpr std::uint64_t roots_address{vmcss_address + most_vmcss * page_size};

Ept g_ept;
alignas(16) std::uint8_t g_stack[256];
GuestRegisters g_registers;
std::uint64_t g_count{0};

Page& vmcs_number(std::uint64_t i) {
    return reinterpret_cast<Page*>(vmcss_address)[i];
}
Page& root_number(std::uint64_t i) {
    return reinterpret_cast<Page*>(roots_address)[i];
}

void l2_main() {
    for (;;)
        (void)cpuid(0);
}

// The same tables for all L2s, but for the root: L0 cannot know that they are the same.
[[nodiscard]] std::uint64_t eptp_number(std::uint64_t i) {
    constexpr std::uint64_t offset_bits{page_size - 1};
    const std::uint64_t shared{g_ept.pointer()};
    root_number(i) = *reinterpret_cast<const Page*>(shared & ~offset_bits);
    return physical(&root_number(i)) | (shared & offset_bits);
}

[[nodiscard]] bool run_once(bool launch) {
    if (enter_l2(g_registers, launch) != EntryResult::exited) {
        fail("many", "VM entry failed, VM-instruction error ", get(Field::vm_instruction_error));
        return false;
    }
    accesses_belong_to(static_cast<std::uint8_t>(vmcs::ExitReason::cpuid));
    if (get(Field::exit_reason) != static_cast<std::uint64_t>(vmcs::ExitReason::cpuid)) {
        fail("many", "exit reason ", get(Field::exit_reason));
        return false;
    }
    set(Field::guest_rip, get(Field::guest_rip) + get(Field::vm_exit_instruction_length));
    return true;
}

[[nodiscard]] bool make_all(std::uint64_t count) {
    g_ept.map_identity();
    const L2Start start{physical(reinterpret_cast<const void*>(&l2_main)),
                        physical(g_stack) + sizeof(g_stack) - 8};
    if (!enter_vmx_operation()) return false;
    for (std::uint64_t i{0}; i < count; ++i) {
        accesses_belong_to(vmcs::no_round_trip);
        if (!set_up_vmcs(vmcs_number(i), basic_controls(), g_ept, start)) return false;
        set(Field::ept_pointer, eptp_number(i));
        if (!run_once(true)) return false;
    }
    g_count = count;
    return true;
}

[[nodiscard]] bool turn_to(std::uint64_t i) {
    if (vmptrld(physical(&vmcs_number(i))) == VmxResult::succeed) return true;
    fail("many", "VMPTRLD of number ", i);
    return false;
}

} // namespace

void run_many(const Parameters& parameters) {
    const std::uint64_t count{parameters.number("vmcss", 1)};
    if (count == 0 || count > most_vmcss) return fail("many", "vmcss is to be 1 to ", most_vmcss);
    if (g_count == 0 && !make_all(count)) return;
    const bool turns{parameters.number("turn", 0) != 0};
    const std::uint64_t trips{parameters.number("trips", 10000)};
    if (!turn_to(0)) return;
    const std::uint64_t begin{read_tsc()};
    for (std::uint64_t trip{0}; trip < trips; ++trip) {
        if (turns && !turn_to(trip % g_count)) return;
        if (!run_once(false)) return;
    }
    const std::uint64_t ticks{read_tsc() - begin};
    print_line("RESULT name=many vmcss=", g_count, " turn=", turns ? 1 : 0, " trips=", trips,
               " ticks_per_trip=", ticks / trips);
    pass("many");
}

} // namespace shadowtune::micro_l1
