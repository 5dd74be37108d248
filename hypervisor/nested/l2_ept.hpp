#pragma once

// L1's EPT as L2 meets it: the walk for one access, and what becomes of one that L1's tables do not allow.

#include "hypervisor/nested/ept12.hpp"
#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// Where L1 uses no EPT, L2's physical addresses are L1's.
[[nodiscard]] bool l1_uses_ept(const Vcpu& vcpu);

// Walks L1's tables for an access of L2; `access`: bits of vmx::ept_violation. Sets accessed and dirty flags.
[[nodiscard]] EptWalk walk_for_l2(Vcpu& vcpu, std::uint64_t guest_physical, std::uint64_t access);

// The access that a walk was for. `about`: bits of the exit qualification that the walk does not know.
struct L2Access {
    std::uint64_t guest_physical{0};
    std::uint64_t guest_linear{0};
    std::uint64_t about{0};
};

// What L1's tables do not allow goes to L1, or to L2 as a virtualization exception. Nothing where the walk
// was ok or is to be tried again.
void report_ept_fault(Vcpu& vcpu, const EptWalk& walk, const L2Access& access);

void handle_ept_violation(Vcpu& vcpu);

} // namespace shadowtune::nested
