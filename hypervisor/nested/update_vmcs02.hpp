#pragma once

// Brings vmcs02 up to date with vmcs12 at an entry of L2: only what L1 has changed since the last one.

#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// What L1's own state contributes where vmcs12 does not load it.
struct L1State {
    std::uint64_t efer, debugctl, dr7;
};

// Where vmcs02 holds another vmcs12 all of this one counts as changed.
inline void claim_vmcs02(Vcpu& vcpu) {
    if (vcpu.vmcs02_owner == vcpu.vmcs12.address()) [[likely]]
        return;
    vcpu.vmcs12.mark_dirty(vcpu.machine.offered_fields);
    vcpu.vmcs02_owner = vcpu.vmcs12.address();
}

// Before the checks of an entry: the plan follows the controls. After them: the image follows the host state.
void make_plan(Vcpu& vcpu);
inline void update_plan(Vcpu& vcpu) {
    if ((vcpu.vmcs12.dirty_groups() & group::controls) != 0) [[unlikely]]
        make_plan(vcpu);
}
inline void update_host_image(Vcpu& vcpu) {
    if ((vcpu.vmcs12.dirty_groups() & group::host) != 0)
        vcpu.host_image = make_host_image(vcpu.vmcs12.values());
}

// vmcs02 must be current.
void update_vmcs02(Vcpu& vcpu, const L1State& l1);

} // namespace shadowtune::nested
