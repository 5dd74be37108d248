#pragma once

// A knapsack of which each item may be taken in one of several ways, solved exactly.

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace shadowtune::tuner {

struct KnapsackChoice {
    double weight{0};
    double gain{0};
};

// At most one of the choices is taken; none weighs and gains nothing.
struct KnapsackItem {
    std::vector<KnapsackChoice> choices;
};

inline constexpr std::size_t no_choice{std::numeric_limits<std::size_t>::max()};

// For each item the number of the choice taken, or no_choice: the largest gain of all that weigh at most
// `capacity` together and take at most `most_items` items; among equal gains the least weight. Of partial
// packings only those are kept that no other one beats in weight and gain, so time and memory grow with the
// number of different weights: quadratic in the items where there are two weights.
[[nodiscard]] std::vector<std::size_t> pack(std::span<const KnapsackItem> items, double capacity,
                                            std::size_t most_items);

} // namespace shadowtune::tuner
