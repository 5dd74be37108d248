#pragma once

// For each field, values that a VM entry accepts and that do not disturb the scripted L2.

#include "tests/micro_l1/prng.hpp"
#include "tests/micro_l1/vmcs_setup.hpp"
#include "vmcs/catalogue.hpp"

#include <cstdint>

namespace shadowtune::micro_l1 {

// What a VM exit leaves in a field that the exit itself does not define.
enum class AfterExit : std::uint8_t {
    kept,      // as before the entry: L2 changes none of its state
    undefined, // the SDM lets anything be there
};

[[nodiscard]] AfterExit after_exit(vmcs::Field field);

// A valid value for the field under these controls; `fixed` is the one that set_up_vmcs() gave, and the
// answer for fields that have no other.
[[nodiscard]] std::uint64_t valid_value(vmcs::Field field, const Controls& controls, std::uint64_t fixed,
                                        Prng& random);

} // namespace shadowtune::micro_l1
