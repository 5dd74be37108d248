#include "lab/xen/clock.hpp"

#include "lab/xen/domain.hpp"

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

union [[gnu::aligned(page_size)]] Page {
    SharedPage shared;
    std::uint8_t bytes[page_size];
};
Page page;

[[nodiscard]] std::uint64_t now() {
    const volatile VcpuTime& time{page.shared.time_of_vcpu0};
    for (;;) {
        const std::uint32_t version{time.version};
        const std::uint64_t ticks{__builtin_ia32_rdtsc() - time.tsc_then};
        const int shift{time.shift};
        const std::uint64_t shifted{shift < 0 ? ticks >> -shift : ticks << shift};
        const std::uint64_t passed{
            static_cast<std::uint64_t>((static_cast<unsigned __int128>(shifted) * time.multiplier) >> 32)};
        const std::uint64_t nanoseconds{time.system_time + passed};
        if (version % 2 == 0 && version == time.version) return nanoseconds;
    }
}

} // namespace

Clock::Clock(Hypercalls& xen, const StartInfo& information) {
    xen.call_xen("update_va_mapping"sv, call::map_own_page, reinterpret_cast<std::uint64_t>(&page),
                 information.shared_page | present_writable_user, flush_one_page);
}

void Clock::sleep(Hypercalls& xen, std::uint64_t nanoseconds) const {
    if (xen.are_refused()) return;
    const Poll poll{0, 0, 0, now() + nanoseconds};
    xen.call_xen("poll"sv, call::scheduler, scheduler_poll, reinterpret_cast<std::uint64_t>(&poll));
}

} // namespace shadowtune::xen
