#pragma once

#include <string_view>

namespace shadowtune {

// Of the VMM; the hello message and the hypervisor log carry it.
inline constexpr std::string_view version{SHADOWTUNE_VERSION};

} // namespace shadowtune
