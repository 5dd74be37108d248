#pragma once

// An L1 taken out of L0 and put into another: docs/save-restore.md.

#include "hypervisor/nested/restore_checks.hpp"
#include "hypervisor/nested/vcpu.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::nested {

// The most bytes that the state of one vCPU may take, its counters full.
inline constexpr std::size_t max_saved_vcpu{0x7'0000};

// Both on the bootstrap processor. The other vCPUs stand still from then on, until the caller lets them go,
// whatever came of it (nested/standstill.hpp).

// Writes everything of the machine's L1 to `to`, between two VM entries; the number of bytes. The vCPUs can
// go on afterwards as if nothing had been. What could not be restored is refused here already.
[[nodiscard]] Result<std::size_t, RestoreRefusal> save(Vcpu& vcpu, std::span<std::uint8_t> to);

// Puts a saved L1 into vCPUs that have not run: they are ready for their next VM entry then. On a refusal
// they are as fit for another saved state as before.
[[nodiscard]] RestoreCheck restore(Vcpu& vcpu, std::span<const std::uint8_t> from);

// Whether a saved L1 can go on in this vCPU, on its own processor; leaves the VMCS of whoever runs current.
[[nodiscard]] RestoreCheck check_restorable(Vcpu& vcpu, std::span<const std::uint8_t> from);

// vmcs02 as an entry with the current vmcs12 makes it, but for L2's guest state; leaves vmcs02 current.
void rebuild_vmcs02(Vcpu& vcpu);

} // namespace shadowtune::nested
