#pragma once

// What passed unseen: accesses that the bitmaps in force did not let trap.

#include "db/recording_reader.hpp"

#include <span>

namespace shadowtune::db {

// Accesses that pass unseen but in sampled round trips, under any of the bitmaps from this generation to that
// one; all where nobody knows these. None in mode trap. `generations`: the recording's, in order.
[[nodiscard]] vmcs::ShadowSets unseen_under(std::span<const Generation> generations, std::uint32_t first,
                                            std::uint32_t last);

// The same under those that were in force in the range of these totals. From power-on on, that is generation
// 1 and those after it.
[[nodiscard]] vmcs::ShadowSets unseen_in(std::span<const Generation> generations, const Totals& totals);

} // namespace shadowtune::db
