#pragma once

// Moves of memory whose sources and destinations may overlap each other, put into an order in which none is
// spoilt.

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::l1 {

// Physical addresses, bytes. A copy may overlap itself: it is done as memmove does.
struct Copy {
    std::uint64_t source{0};
    std::uint64_t destination{0};
    std::uint64_t size{0};

    [[nodiscard]] constexpr memory::MemoryRange source_range() const {
        return memory::range_of(source, size);
    }
    [[nodiscard]] constexpr memory::MemoryRange destination_range() const {
        return memory::range_of(destination, size);
    }
    [[nodiscard]] constexpr bool operator==(const Copy&) const = default;
};

inline constexpr std::size_t max_copies{64};

struct CopyPlan {
    Copy steps[2 * max_copies]{};
    std::size_t count{0};

    [[nodiscard]] std::span<const Copy> view() const { return {steps, count}; }
};

// The steps, in order, after which every destination holds what its source held before the first step. Copies
// that wait for each other in a circle go by way of `scratch`, which must overlap no source and no
// destination (it may be empty). Fails where two destinations overlap, there are more than max_copies, or
// scratch is too small.
[[nodiscard]] Result<CopyPlan, boot::BootError> plan_copies(std::span<const Copy> copies,
                                                            memory::MemoryRange scratch);

} // namespace shadowtune::l1
