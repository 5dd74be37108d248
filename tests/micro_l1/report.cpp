#include "tests/micro_l1/report.hpp"

namespace shadowtune::micro_l1 {

namespace {
Tally g_tally;
}

Tally& tally() {
    return g_tally;
}

void pass(std::string_view name) {
    ++g_tally.passes;
    print_line("PASS ", name);
}

void skip(std::string_view name, std::string_view reason) {
    ++g_tally.skips;
    print_line("SKIP ", name, ": ", reason);
}

bool expect(std::string_view name, std::string_view what, std::uint64_t wanted, std::uint64_t got) {
    if (wanted == got) {
        pass(name);
        return true;
    }
    fail(name, what, " wanted ", hex(wanted), " got ", hex(got));
    return false;
}

} // namespace shadowtune::micro_l1
