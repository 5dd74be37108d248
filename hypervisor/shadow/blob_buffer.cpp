#include "hypervisor/shadow/blob_buffer.hpp"

#include "link/frame.hpp"

namespace shadowtune::shadow {

void BlobBuffer::offer(std::size_t size) {
    m_size = static_cast<std::uint32_t>(size);
    m_held = m_size;
    m_crc = link::crc32c(bytes());
}

std::span<const std::uint8_t> BlobBuffer::part(std::uint32_t crc, std::uint32_t offset) const {
    if (!is_whole() || crc != m_crc || offset >= m_size) return {};
    const std::size_t left{m_size - offset};
    return bytes().subspan(offset, left < link::blob_chunk_bytes ? left : link::blob_chunk_bytes);
}

bool BlobBuffer::expect(std::uint32_t size, std::uint32_t crc) {
    if (size == m_size && crc == m_crc) return true;
    if (size == 0 || size > m_room.size()) return false;
    m_size = size;
    m_crc = crc;
    m_held = 0;
    return true;
}

bool BlobBuffer::take(std::uint32_t crc, std::uint32_t offset, std::span<const std::uint8_t> bytes) {
    if (m_size == 0 || crc != m_crc || offset > m_held) return false;
    if (offset > m_size || bytes.size() > m_size - offset) return false;
    // A doubled frame, or one that was sent again because its answer was lost.
    const std::size_t known{m_held - offset};
    if (bytes.size() <= known) return true;
    __builtin_memcpy(m_room.data() + m_held, bytes.data() + known, bytes.size() - known);
    m_held = static_cast<std::uint32_t>(offset + bytes.size());
    return true;
}

bool BlobBuffer::finish(std::uint32_t crc) {
    if (!is_whole() || crc != m_crc) return false;
    if (link::crc32c(bytes()) == m_crc) return true;
    m_held = 0;
    return false;
}

void BlobBuffer::forget() {
    m_size = 0;
    m_crc = 0;
    m_held = 0;
}

} // namespace shadowtune::shadow
