// dom0's clock, and sleep by it.
#pragma once

#include "lab/xen/hypercalls.hpp"

#include <cstdint>

namespace shadowtune::xen {

class Clock {
public:
    Clock(Hypercalls& xen, const StartInfo& information);

    // The processor is the domains' for so many nanoseconds, or a little longer.
    void sleep(Hypercalls& xen, std::uint64_t nanoseconds) const;
};

} // namespace shadowtune::xen
