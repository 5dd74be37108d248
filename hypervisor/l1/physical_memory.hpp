#pragma once

// How the loaders reach physical memory: the identity map in the VMM, a vector in the hosted tests.

#include <cstdint>
#include <span>

namespace shadowtune::l1 {

struct PhysicalMemory {
    // All `size` bytes at `address`, or an empty span where any of them is not RAM that may be touched.
    std::span<std::uint8_t> (*access)(void* context, std::uint64_t address, std::uint64_t size){nullptr};
    void* context{nullptr};

    [[nodiscard]] std::span<std::uint8_t> range(std::uint64_t address, std::uint64_t size) const {
        return access(context, address, size);
    }
};

} // namespace shadowtune::l1
