#pragma once

// PASS and FAIL lines, and their sum at the end of a run.

#include "tests/micro_l1/console.hpp"

#include <string_view>

namespace shadowtune::micro_l1 {

struct Tally {
    std::uint32_t passes{0};
    std::uint32_t failures{0};
    std::uint32_t skips{0};
};

[[nodiscard]] Tally& tally();

void pass(std::string_view name);
void skip(std::string_view name, std::string_view reason);

template <typename... Parts>
void fail(std::string_view name, Parts... reason) {
    ++tally().failures;
    print_line("FAIL ", name, ": ", reason...);
}

// One comparison of a test that has only one.
bool expect(std::string_view name, std::string_view what, std::uint64_t wanted, std::uint64_t got);

} // namespace shadowtune::micro_l1
