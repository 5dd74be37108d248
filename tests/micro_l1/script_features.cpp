// features: what an L2 may be run with, feature by feature, each test with the values that it saw where they
// are wrong. Parameters: only=intercepts|events|interrupts|memory|msrs|state|shadowing|live|vm-functions|
// ept-extensions|root (default: all).

#include "tests/micro_l1/l2_harness.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

void run_features(const Parameters& parameters) {
    struct Theme {
        std::string_view name;
        void (*run)();
    };
    constexpr Theme themes[]{
        {"intercepts", test_intercepts},
        {"events", test_events},
        {"interrupts", test_interrupts},
        {"memory", test_memory},
        {"msrs", test_msrs},
        {"state", test_state},
        {"shadowing", test_shadowing},
        {"live", test_live},
        {"vm-functions", test_vm_functions},
        {"ept-extensions", test_ept_extensions},
        {"root", test_root},
    };
    const std::string_view only{parameters.text("only", "")};
    for (const Theme& theme : themes) {
        if (!only.empty() && only != theme.name) continue;
        feature_ept().map_identity();
        theme.run();
    }
    print_line("RESULT name=features passes=", tally().passes, " failures=", tally().failures,
               " skips=", tally().skips);
}

} // namespace shadowtune::micro_l1
