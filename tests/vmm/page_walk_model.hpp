#pragma once

// Paging once more, written from the SDM's tables mode by mode, slow and without a common loop: what
// hypervisor/memory/page_walk.hpp is compared with. SDM Vol. 3A, 5.3 to 5.8 (edition 325462-087).

#include "hypervisor/memory/page_walk.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace shadowtune::testing {

// Physical memory from 0 on; behind its end there is nothing: reads give 0, writes are counted as strays.
class TableMemory {
public:
    explicit TableMemory(std::size_t size) : m_bytes(size) {}

    [[nodiscard]] std::uint64_t read64(std::uint64_t at) const { return get<std::uint64_t>(at); }
    [[nodiscard]] std::uint32_t read32(std::uint64_t at) const { return get<std::uint32_t>(at); }
    void write64(std::uint64_t at, std::uint64_t value) { put(at, value); }
    void write32(std::uint64_t at, std::uint32_t value) { put(at, value); }
    [[nodiscard]] std::size_t strays() const { return m_strays; }
    [[nodiscard]] bool operator==(const TableMemory&) const = default;

private:
    template <typename T>
    [[nodiscard]] T get(std::uint64_t at) const {
        T value{};
        if (at < m_bytes.size()) std::memcpy(&value, m_bytes.data() + at, sizeof(value));
        return value;
    }
    template <typename T>
    void put(std::uint64_t at, T value) {
        if (at < m_bytes.size()) {
            std::memcpy(m_bytes.data() + at, &value, sizeof(value));
        } else {
            ++m_strays;
        }
    }

    std::vector<std::uint8_t> m_bytes;
    std::size_t m_strays{0};
};

[[nodiscard]] memory::LinearTranslation model_translate(TableMemory& memory, const memory::PagingState& state,
                                                        std::uint64_t linear, bool write);

} // namespace shadowtune::testing
