// A domain without a kernel, loops_domain.S: it exits in seven ways in turn and checks every answer.
#pragma once

#include "lab/xen/hypercalls.hpp"

#include <cstdint>

namespace shadowtune::xen {

// Makes the domain, which will make `round_trips` round trips, and lets it run.
[[nodiscard]] std::uint16_t start_loops(Hypercalls& xen, std::uint32_t round_trips);

// What the round trips have given, in one number: the same on every machine of one processor model.
[[nodiscard]] std::uint32_t result_of_loops(Hypercalls& xen, std::uint16_t domain);

} // namespace shadowtune::xen
