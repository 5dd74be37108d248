#pragma once

// Sets of fields for the tests, random but the same at each run.

#include "vmcs/field_set.hpp"

#include <random>

namespace shadowtune::vmcs::testing {

[[nodiscard]] inline FieldSet all_fields() {
    FieldSet set{};
    for (FieldIndex i{0}; i < field_count; ++i)
        set.set(i);
    return set;
}

// Each field with the chance 1 in `rarity`.
[[nodiscard]] inline FieldSet random_fields(std::mt19937_64& random, unsigned rarity) {
    FieldSet set{};
    for (FieldIndex i{0}; i < field_count; ++i) {
        if (random() % rarity == 0) set.set(i);
    }
    return set;
}

} // namespace shadowtune::vmcs::testing
