#pragma once

// INIT and start-up IPIs as L1's processors see them: SDM Vol. 3A, 9.4 "Multiple-Processor (MP)
// Initialization", Vol. 3C, 24.8 "Restrictions on VMX Operation" and 26.2 "Other Causes of VM Exits" (edition
// 325462-087).

#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// Takes what lies in the mailbox, and an INIT that was blocked and is so no longer. With L1's or L2's VMCS
// current; may leave L1's where L2's was. May wait here for long: until L1 sends a start-up IPI.
void take_mail(Vcpu& vcpu);

// L1 exited because of an INIT signal of the hardware: not one that L1's processors send each other, for
// those are L0's, but the chipset's.
void take_init_signal(Vcpu& vcpu);

// The processor's first state, and its first wait. vmcs01 is current.
void wait_for_first_startup(Vcpu& vcpu);

// L2 was entered in the wait-for-SIPI state: until its start-up IPI, which is an exit to L1. vmcs02 is
// current.
void wait_for_startup_of_l2(Vcpu& vcpu);

// Until the processors that `sender` has just sent an INIT to have taken it, or have had the time to: the
// command is then complete, as it is on a processor.
void await_delivery_of_init(const Vcpu& sender);

} // namespace shadowtune::nested
