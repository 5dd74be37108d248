// The event channels that dom0 listens to.
#pragma once

#include "lab/xen/hypercalls.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::xen {

class Events {
public:
    Events(Hypercalls& xen, const StartInfo& information);

    // Two channels at most, of both kinds together.
    void listen_to_channel(Hypercalls& xen, std::uint16_t domain, std::uint32_t its_port);
    void listen_to_endings(Hypercalls& xen); // of any domain

    // The processor is the domains' until an event comes. One that came since the last wait ends this one at
    // once.
    void wait(Hypercalls& xen);

private:
    static constexpr std::size_t most{2};
    std::uint32_t m_ports[most]{};
    std::uint32_t m_count{0};
};

} // namespace shadowtune::xen
