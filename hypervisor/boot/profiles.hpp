#pragma once

#include "hypervisor/l1/module.hpp"
#include "hypervisor/nested/machine.hpp"

#include <span>

namespace shadowtune::boot {

// Takes the contents of the `profile` modules. Where some of them are for L1s that they know by fingerprint,
// the one for this L1 is picked when it enters L2 for the first time. A profile alone comes into force before
// L1's first instruction. What cannot be taken stops L0.
void take_profiles(nested::Machine& machine, std::span<const l1::Image> profiles);

} // namespace shadowtune::boot
