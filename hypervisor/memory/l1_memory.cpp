#include "hypervisor/memory/l1_memory.hpp"

namespace shadowtune::memory {

namespace {

[[nodiscard]] std::size_t part_in_page(std::uint64_t address, std::size_t size) {
    const std::size_t left{page_size - (address & (page_size - 1))};
    return size < left ? size : left;
}

} // namespace

void L1Memory::read(std::uint64_t address, void* to, std::size_t size) const {
    auto* out{static_cast<std::uint8_t*>(to)};
    while (size != 0) {
        const std::size_t part{part_in_page(address, size)};
        __builtin_memcpy(out, pointer(address), part);
        out += part;
        address += part;
        size -= part;
    }
}

void L1Memory::write(std::uint64_t address, const void* from, std::size_t size) const {
    const auto* in{static_cast<const std::uint8_t*>(from)};
    while (size != 0) {
        const std::size_t part{part_in_page(address, size)};
        __builtin_memcpy(pointer(address), in, part);
        in += part;
        address += part;
        size -= part;
    }
}

} // namespace shadowtune::memory
