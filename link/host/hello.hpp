#pragma once

// The VMM's greeting, unpacked.

#include "link/host/snapshot.hpp"
#include "vmcs/result.hpp"

#include <span>
#include <string>

namespace shadowtune::link {

// Error: one line on why this VMM and these tools do not fit. `payload` is that of a hello frame.
[[nodiscard]] Result<HelloInfo, std::string> unpack_hello(std::span<const std::uint8_t> payload);

// Text up to the first zero or the end of its place. L0 passes on what L1's makers wrote: control characters,
// which a terminal would obey, become '?'.
[[nodiscard]] std::string unpack_text(const char* text, std::size_t room);

} // namespace shadowtune::link
