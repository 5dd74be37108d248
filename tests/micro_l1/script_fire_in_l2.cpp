// fire-in-l2: the host reloads profiles while L2 runs. L2 changes its EPTP index by VMFUNC, which L1 sees in
// the VMCS alone, and then works on for so long that most reloads come behind it. Parameters: trips (default
// 0: until "stop" is typed), work (iterations of L2's, default 20000), mark (a line every so many trips,
// default 500).

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t list_entries{512};
struct alignas(4096) EptpList {
    std::uint64_t entries[list_entries];
};
EptpList g_list;
volatile std::uint64_t g_index;
volatile std::uint64_t g_work;

void l2_switches_and_works() {
    for (;;) {
        // 0F 01 D4 is VMFUNC; RAX 0: EPTP switching.
        asm volatile(".byte 0x0F, 0x01, 0xD4"
                     :
                     : "a"(std::uint64_t{0}), "c"(static_cast<std::uint64_t>(g_index))
                     : "memory", "cc");
        for (std::uint64_t left{g_work}; left != 0; --left)
            asm volatile("" : : : "memory");
        l2_call(g_index);
    }
}

[[nodiscard]] bool prepare(L2& l2) {
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu, basic.cpu2 | cpu2_vm_functions, basic.exit, basic.entry};
    std::uint64_t value{0};
    feature_ept().map_identity();
    for (auto& entry : g_list.entries)
        entry = feature_ept().pointer();
    if (!l2.prepare(controls, feature_ept(), l2_switches_and_works)) return false;
    if (vmread(vmcs::encoding_of(Field::eptp_index), value) != VmxResult::succeed) {
        fail("fire-in-l2", "the processor has no EPTP index");
        return false;
    }
    set(Field::vm_function_controls, 1);
    set(Field::eptp_list_address, physical(&g_list));
    flush_ept();
    return true;
}

} // namespace

void run_fire_in_l2(const Parameters& parameters) {
    const std::uint64_t trips{parameters.number("trips", 0)};
    const std::uint64_t mark{parameters.number("mark", 500)};
    g_work = parameters.number("work", 20000);
    L2 l2{"fire-in-l2"};
    if (!prepare(l2)) return;
    std::uint64_t done{0};
    std::uint64_t stale{0};
    while (trips == 0 || done < trips) {
        g_index = done % list_entries;
        set(Field::eptp_index, list_entries - 1 - g_index);
        if (!l2.go_to(ExitReason::vmcall)) return;
        ++done;
        if (get(Field::eptp_index) != g_index) ++stale;
        l2.skip_instruction();
        if (mark != 0 && done % mark == 0) print_line("MARK trips=", done, " errors=", stale);
        if (input_waiting() && read_line() == "stop") break;
    }
    print_line("RESULT name=fire-in-l2 trips=", done, " errors=", stale);
    expect("fire-in-l2", "EPTP indexes lost", 0, stale);
}

} // namespace shadowtune::micro_l1
