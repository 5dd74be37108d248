#pragma once

// While L1 is saved or restored all its processors stand still in L0. The bootstrap processor calls them, has
// each do its share when its turn comes, for a VMCS and most registers can be reached from their own
// processor only, and lets them go.

#include "hypervisor/nested/restore_checks.hpp"
#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// On the bootstrap processor: until all others stand still. False where one does not come, or L1 has sent an
// INIT or a start-up IPI that nobody has taken: let them go then.
[[nodiscard]] bool call_others(Vcpu& caller);
void let_others_go(Vcpu& caller);

// On another processor, between two VM entries: where it is called, stands still until it may go. Leaves the
// VMCS of whoever runs current.
void stand_still_if_called(Vcpu& vcpu);

// Has one that stands still do its share, which may be not to come back: then nobody waits for it.
void begin_share(Vcpu& vcpu, Turns::Share share, void* argument);
void await_share(const Vcpu& vcpu);

// On the bootstrap processor, which comes first: `share` of every vCPU, one after the other, on its own
// processor, up to the first refusal.
template <typename Callable>
[[nodiscard]] RestoreCheck on_every_vcpu(Vcpu& caller, Callable&& share) {
    struct Call {
        Callable& share;
        RestoreCheck result;
    } call{share, share(caller)};
    const Machine& machine{caller.machine};
    for (std::size_t i{0}; i < machine.vcpu_count && call.result; ++i) {
        Vcpu& vcpu{*machine.vcpus[i]};
        if (&vcpu == &caller) continue;
        begin_share(
            vcpu,
            [](Vcpu& own, void* argument) {
                auto& c{*static_cast<Call*>(argument)};
                c.result = c.share(own);
            },
            &call);
        await_share(vcpu);
    }
    return call.result;
}

} // namespace shadowtune::nested
