#pragma once

// One saved state on its way out or in, part by part. Named by size and CRC, so that parts that are lost,
// come twice or belong to another blob change nothing.

#include "link/save_messages.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::shadow {

class BlobBuffer {
public:
    // `room`: memory of L0's, kept from start.
    void start(std::span<std::uint8_t> room) { m_room = room; }
    [[nodiscard]] std::span<std::uint8_t> room() const { return m_room; }

    // Outwards: the first `size` bytes of room() are the blob now.
    void offer(std::size_t size);
    // The part from `offset` on, as long as a message carries; empty where the blob is another or ends
    // before.
    [[nodiscard]] std::span<const std::uint8_t> part(std::uint32_t crc, std::uint32_t offset) const;

    // Inwards: false where it has no room. What is there of the same blob already stays.
    [[nodiscard]] bool expect(std::uint32_t size, std::uint32_t crc);
    // Takes a part that begins where the last one ended; one that came before is taken for what it is. False
    // where it belongs to another blob, leaves a gap, or goes past the end.
    [[nodiscard]] bool take(std::uint32_t crc, std::uint32_t offset, std::span<const std::uint8_t> bytes);
    // All bytes are there and their CRC fits. Where it does not, the blob begins anew.
    [[nodiscard]] bool finish(std::uint32_t crc);

    void forget();

    [[nodiscard]] std::uint32_t crc() const { return m_crc; }
    [[nodiscard]] std::uint32_t size() const { return m_size; }
    [[nodiscard]] std::uint32_t held() const { return m_held; }
    [[nodiscard]] bool is_whole() const { return m_size != 0 && m_held == m_size; }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return m_room.first(m_held); }

private:
    std::span<std::uint8_t> m_room{};
    std::uint32_t m_size{0}; // 0: none
    std::uint32_t m_crc{0};
    std::uint32_t m_held{0};
};

} // namespace shadowtune::shadow
