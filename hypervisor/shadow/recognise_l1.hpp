#pragma once

#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::shadow {

// After a VMLAUNCH of L1 that is about to enter L2: the first one of the machine settles its recognition. The
// profile that is picked is the newest generation when this returns, and in force on each vCPU at its next
// safe point, before L1 accesses anything. Touches no VMCS.
void recognise_l1(nested::Vcpu& vcpu);

} // namespace shadowtune::shadow
