#pragma once

// L2's linear memory, for the instructions that L0 executes for L2: L2's page tables, each entry and the page
// at the end looked up in L1's EPT. SDM Vol. 3C, 29.3 (edition 325462-087).

#include "hypervisor/memory/page_walk.hpp"
#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// Where a linear address of L2 lies in L1's memory; L1 uses EPT. False where something else is due instead:
// an EPT violation or misconfiguration of L1's, a page fault of L2's, or the same instruction once more.
[[nodiscard]] bool translate_l2_linear(Vcpu& vcpu, const memory::PagingState& state, std::uint64_t linear,
                                       bool write, std::uint64_t& l1_physical);

} // namespace shadowtune::nested
