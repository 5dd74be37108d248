// Builds the one domain and waits for its end.
#pragma once

#include <cstdint>
#include <string_view>

namespace shadowtune::xen {

// The step that Xen refused, and its error number. An empty step: nothing was refused.
struct Refusal {
    std::string_view step{};
    long error{0};
};

// Makes a hardware-virtualised domain of domain.S, which will make `round_trips` round trips, and starts it.
[[nodiscard]] Refusal start_domain(std::uint32_t round_trips, std::uint16_t& domain);

// Sleeps until the domain has shut down; the reason that it gave (0: it powered itself off).
[[nodiscard]] Refusal wait_for_end(std::uint16_t domain, unsigned& reason);

// What the round trips have given, in one number: the same on every machine of one processor model.
[[nodiscard]] std::uint32_t result_of_domain();

} // namespace shadowtune::xen
