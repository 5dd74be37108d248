#include "lab/xen/events.hpp"

#include "lab/xen/domain.hpp"

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

union [[gnu::aligned(page_size)]] Page {
    SharedPage shared;
    std::uint8_t bytes[page_size];
};
Page page;

} // namespace

Events::Events(Hypercalls& xen, const StartInfo& information) {
    xen.call_xen("update_va_mapping"sv, call::map_own_page, reinterpret_cast<std::uint64_t>(&page),
                 information.shared_page | present_writable_user, flush_one_page);
}

void Events::listen_to_channel(Hypercalls& xen, std::uint16_t domain, std::uint32_t its_port) {
    InterdomainChannel channel{domain, 0, its_port, 0};
    xen.call_xen("bind_interdomain"sv, call::event_channel, bind_interdomain,
                 reinterpret_cast<std::uint64_t>(&channel));
    m_ports[m_count++] = channel.own_port;
}

void Events::listen_to_endings(Hypercalls& xen) {
    VirtualInterrupt interrupt{domain_exception, 0, 0};
    xen.call_xen("bind_virq"sv, call::event_channel, bind_virtual_interrupt,
                 reinterpret_cast<std::uint64_t>(&interrupt));
    m_ports[m_count++] = interrupt.port;
}

void Events::wait(Hypercalls& xen) {
    if (xen.are_refused()) return;
    const Poll poll{reinterpret_cast<std::uint64_t>(m_ports), m_count, 0, for_ever};
    xen.call_xen("poll"sv, call::scheduler, scheduler_poll, reinterpret_cast<std::uint64_t>(&poll));
    for (std::uint32_t i{0}; i < m_count; ++i) {
        __atomic_fetch_and(&page.shared.pending[m_ports[i] / 64], ~(std::uint64_t{1} << m_ports[i] % 64),
                           __ATOMIC_ACQ_REL);
    }
}

} // namespace shadowtune::xen
