#pragma once

// State of the processor that neither VM entry nor VM exit switches: what L1 loads is there after L2's exit.
// CR2, debug registers, extended state, MSRs of SYSCALL, SWAPGS and RDTSCP.

#include "tests/micro_l1/prng.hpp"

#include <cstdint>

namespace shadowtune::micro_l1 {

// Lets L1 and L2 use the extended state; before the first VMCS is set up.
void enable_extended_state();

void load_unswitched(Prng& random);

// Calls report(what, wanted, got) for each part that is not as it was loaded.
void check_unswitched(void (*report)(const char* what, std::uint64_t wanted, std::uint64_t got));

} // namespace shadowtune::micro_l1
