#pragma once

// Little-endian values out of and into bytes that others made: always within bounds, whatever the offset.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace shadowtune::boot {

[[nodiscard]] constexpr bool has_bytes(std::span<const std::uint8_t> bytes, std::uint64_t offset,
                                       std::uint64_t size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
}

// The part, or an empty span where it is not wholly inside.
[[nodiscard]] constexpr std::span<const std::uint8_t> part_of(std::span<const std::uint8_t> bytes,
                                                              std::uint64_t offset, std::uint64_t size) {
    if (!has_bytes(bytes, offset, size)) return {};
    return bytes.subspan(offset, size);
}

// The number at `offset`; 0 where it is not wholly inside.
template <typename Number>
[[nodiscard]] Number number_at(std::span<const std::uint8_t> bytes, std::uint64_t offset) {
    static_assert(std::is_unsigned_v<Number>);
    Number number{0};
    if (has_bytes(bytes, offset, sizeof(Number)))
        __builtin_memcpy(&number, bytes.data() + offset, sizeof(Number));
    return number;
}

// A zero-terminated string that lies wholly in `bytes`; false where no zero closes it.
[[nodiscard]] inline bool text_in(std::span<const std::uint8_t> bytes, std::string_view& text) {
    for (std::size_t length{0}; length < bytes.size(); ++length) {
        if (bytes[length] != 0) continue;
        text = {reinterpret_cast<const char*>(bytes.data()), length};
        return true;
    }
    return false;
}

// Writes one thing after the other. What lies beyond the end is counted but not written, so a run over an
// empty span measures and a second one writes.
class ByteWriter {
public:
    explicit ByteWriter(std::span<std::uint8_t> bytes) : m_bytes{bytes} {}

    void raw(const void* data, std::size_t size) {
        if (size != 0 && has_bytes(m_bytes, m_position, size))
            __builtin_memcpy(m_bytes.data() + m_position, data, size);
        m_position += size;
    }

    template <typename Number>
    void number(Number value) {
        static_assert(std::is_unsigned_v<Number>);
        raw(&value, sizeof(value));
    }
    void u8(std::uint8_t value) { number(value); }
    void u16(std::uint16_t value) { number(value); }
    void u32(std::uint32_t value) { number(value); }
    void u64(std::uint64_t value) { number(value); }

    // With its closing zero.
    void text(std::string_view value) {
        raw(value.data(), value.size());
        u8(0);
    }

    void zeros(std::size_t count) {
        for (std::size_t i{0}; i < count; ++i)
            u8(0);
    }
    // `alignment` is a power of two, counted from the start of the bytes.
    void align(std::size_t alignment) { zeros((alignment - m_position % alignment) % alignment); }

    // Overwrites four bytes that were written before.
    void patch_u32(std::size_t offset, std::uint32_t value) {
        if (has_bytes(m_bytes, offset, sizeof(value)))
            __builtin_memcpy(m_bytes.data() + offset, &value, sizeof(value));
    }

    [[nodiscard]] std::size_t position() const { return m_position; }

private:
    std::span<std::uint8_t> m_bytes;
    std::size_t m_position{0};
};

} // namespace shadowtune::boot
