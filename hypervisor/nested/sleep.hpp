#pragma once

// A vCPU that waits for a start-up IPI sleeps in L0, and whoever posts to its mailbox wakes it: by an NMI,
// which comes through whatever the state of its local APIC. The NMI of a sleeper is L0's; a vCPU that runs is
// never sent one. Everybody else's mail is found at the vCPU's next exit.

#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::nested {

// Until there is mail, or for no reason at all. On a processor that has other work, and where nobody can send
// an NMI, it returns at once.
void sleep_until_mail(Vcpu& vcpu);

// There are newer bitmaps: who sleeps is woken to move to them. All others see them at their next exit.
void tell_sleepers(const Machine& machine);

// After a post: sends the NMI where the vCPU sleeps.
void wake(Vcpu& vcpu);

} // namespace shadowtune::nested
