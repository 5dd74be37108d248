#pragma once

// Loads a Linux bzImage by the 32-bit boot protocol (Documentation/arch/x86/boot.rst), version 2.06
// (Linux 2.6.22) or later: all Linux kernels that can be a hypervisor with VMX.

#include "hypervisor/l1/load.hpp"

#include <cstdint>
#include <span>

namespace shadowtune::l1 {

// True where the bytes carry the setup header's two signatures; says nothing of versions.
[[nodiscard]] bool is_bzimage(std::span<const std::uint8_t> image);

// request.modules.kind is linux_kernel.
[[nodiscard]] Result<L1Entry, boot::BootError> load_linux(const L1Request& request);

} // namespace shadowtune::l1
