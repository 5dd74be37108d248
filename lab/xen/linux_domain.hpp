// A domain that is a whole Linux: a module of dom0 brings its kernel and its initramfs
// (lab/zoo/recipes/xen-linux).
#pragma once

#include "lab/xen/hypercalls.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::xen {

struct LinuxDomain {
    std::uint16_t id{0};
    std::uint64_t console_page{0}; // physical
    std::uint32_t console_port{0}; // the domain's end
};

// Makes the domain with the kernel's own entry for such domains and lets it run. `module` begins with a page
// of text, "at=N entry=N kernel=N initramfs=N": the physical addresses of the kernel and its entry, and the
// bytes of what follows, each from a page's begin. Refused where the module is not so, or more than
// `memory_mib` holds.
[[nodiscard]] LinuxDomain start_linux(Hypercalls& xen, std::span<const std::uint8_t> module,
                                      std::uint64_t memory_mib, std::string_view command_line);

} // namespace shadowtune::xen
