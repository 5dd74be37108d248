#pragma once

#include "tests/vmcs/sets.hpp"
#include "vmcs/fingerprint.hpp"

#include <algorithm>
#include <vector>

namespace shadowtune::vmcs::testing {

// All fields offered; some of their accesses, in any order.
[[nodiscard]] inline Fingerprint random_fingerprint(std::mt19937_64& random) {
    Fingerprint print{};
    print.offered = all_fields();
    const auto word{[&] { return static_cast<std::uint32_t>(random()); }};
    print.controls = {word(), word(), word(), word(), word(), random()};
    std::vector<Fingerprint::Access> accesses{};
    random_fields(random, 2).for_each([&](FieldIndex field) { accesses.push_back({field, true}); });
    random_fields(random, 4).for_each([&](FieldIndex field) { accesses.push_back({field, false}); });
    std::shuffle(accesses.begin(), accesses.end(), random);
    for (const auto& access : accesses)
        print.add(access);
    return print;
}

} // namespace shadowtune::vmcs::testing
