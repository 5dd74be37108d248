// The micro-L1: boots, takes its orders from the command line and from lines on COM1, and says what came of
// them.

#include "tests/micro_l1/boot_info.hpp"
#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/exceptions.hpp"
#include "tests/micro_l1/parameters.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"
#include "tests/micro_l1/second_processor.hpp"
#include "tests/micro_l1/vmcs_access.hpp"
#include "tests/micro_l1/vmx_root.hpp"

namespace shadowtune::micro_l1 {

namespace {

struct Script {
    std::string_view name;
    void (*run)(const Parameters&);
};

constexpr Script scripts[]{
    {"sweep", run_sweep},           {"trips", run_trips},           {"fire", run_fire},
    {"vmx-errors", run_vmx_errors}, {"features", run_features},     {"isolation", run_isolation},
    {"shadowing", run_shadowing},   {"calibrate", run_calibrate},   {"many", run_many},
    {"designs", run_designs},       {"fire-in-l2", run_fire_in_l2}, {"init", run_init},
};

void choose_output(const Parameters& parameters) {
    const std::string_view output{parameters.text("out", "com1")};
    console_output(output == "e9" ? Output::port_e9 : output == "both" ? Output::both : Output::com1);
}

void run(const Parameters& parameters) {
    choose_output(parameters);
    const std::string_view wanted{parameters.text("script", "")};
    const Script* found{nullptr};
    for (const Script& script : scripts) {
        if (script.name == wanted) found = &script;
    }
    if (found == nullptr) {
        fail("script", "there is no script named '", wanted, "'; see tests/micro_l1/README.md");
        return;
    }
    found->run(parameters);
    if (parameters.number("counts", 0) != 0) print_counts();
    const AccessTotals totals{access_totals()};
    print_line("RESULT name=accesses reads=", totals.reads, " writes=", totals.writes,
               " unknown=", totals.unknown);
    print_line("DONE run");
}

// Each line stands on the boot command line's words: only what differs needs to be typed.
void serve(std::string_view boot_line) {
    // On COM1 whatever `out` says: who types there waits for it there.
    console_output(Output::com1);
    if (!is_second_processor()) print_line("READY");
    for (;;) {
        const std::string_view line{read_line()};
        if (line == "quit") return;
        if (!line.starts_with("run")) {
            fail("command", "'", line, "' is none of run and quit");
            continue;
        }
        std::string_view words{line};
        words.remove_prefix(3);
        Parameters parameters;
        parameters.add(boot_line);
        parameters.add(words);
        run(parameters);
    }
}

void print_memory_map(const BootInfo& info) {
    for (std::size_t i{0}; i < info.range_count; ++i) {
        print_line("MEMORY base=", hex(info.ranges[i].base), " size=", hex(info.ranges[i].size),
                   " type=", info.ranges[i].type);
    }
}

} // namespace

extern "C" [[noreturn]] void micro_l1_main(std::uint32_t magic, std::uint32_t information);

extern "C" void micro_l1_main(std::uint32_t magic, std::uint32_t information) {
    const BootInfo info{read_boot_info(magic, information)};
    Parameters parameters;
    parameters.add(info.command_line);
    note_processor(parameters);
    if (!is_second_processor()) console_init();
    choose_output(parameters);
    exceptions_init();
    print_line("RESULT name=boot magic=", hex(magic));
    print_memory_map(info);
    if (prepare_vmx() && start_second_processor(parameters, info.command_line)) {
        if (parameters.number("wait", 0) != 0) {
            serve(info.command_line);
        } else {
            run(parameters);
        }
    }
    await_second_processor();
    print_line("SUMMARY passes=", tally().passes, " failures=", tally().failures, " skips=", tally().skips);
    if (is_second_processor()) stop_second_processor();
    power_off();
}

} // namespace shadowtune::micro_l1
