#pragma once

// Frames: COBS-encoded bytes closed by one zero byte. Inside: a header, one message, a CRC-32C over both.
//
//   offset 0  protocol version (1 byte)     offset 1  MessageType (1 byte)
//   offset 2  sequence number (2 bytes, LE; counts frames of one direction, for statistics of loss)
//   offset 4  payload (0 to max_payload bytes)
//   last 4    CRC-32C (LE) of all before it
//
// A receiver that meets garbage drops bytes up to the next zero byte and counts one dropped frame. Zeros with
// nothing between them are no frames: a sender may send a lone zero to end whatever half frame the receiver
// still holds. A sequence number that repeats marks a doubled frame, one that goes back marks a sender that
// started anew. Nothing here allocates.

#include "link/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::link {

inline constexpr std::size_t frame_header_size{4};
inline constexpr std::size_t frame_crc_size{4};
inline constexpr std::size_t max_raw_frame{frame_header_size + max_payload + frame_crc_size};
// COBS adds one byte for every started run of 254 bytes without a zero, and the closing zero.
inline constexpr std::size_t max_encoded_frame{max_raw_frame + max_raw_frame / 254 + 2};

// CRC-32C (Castagnoli; RFC 3720, appendix B.4), reflected, initial value and final XOR all ones. `before` is
// the CRC of the bytes in front of these, so that scattered bytes are checked without being copied together.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t before = 0);

// Encodes one frame, closing zero included. Returns its length, or 0 where the payload is longer than
// max_payload or the frame longer than `out`; max_encoded_frame bytes are enough for any. `out` then holds
// bytes that must not be sent.
[[nodiscard]] std::size_t encode_frame(MessageType type, std::uint16_t sequence,
                                       std::span<const std::uint8_t> payload, std::span<std::uint8_t> out);

struct Frame {
    MessageType type{};
    std::uint16_t sequence{};
    std::span<const std::uint8_t> payload; // lives in the decoder until its next push
};

// Takes a byte stream apart. One decoder per direction and connection.
class FrameDecoder {
public:
    // True when `byte` closed a frame that is whole and of this protocol version; frame() then holds it.
    [[nodiscard]] bool push(std::uint8_t byte);
    [[nodiscard]] const Frame& frame() const { return m_frame; }

    // Frames dropped because of length, COBS, CRC or version.
    [[nodiscard]] std::uint64_t dropped() const { return m_dropped; }
    // Sequence numbers that never came. Frames lost before the first good one, or 32,768 and more in a row,
    // are not seen: a statistic, not a proof.
    [[nodiscard]] std::uint64_t missed() const { return m_missed; }
    // Frames that came again with the sequence number of the one before. They are delivered: messages are
    // idempotent.
    [[nodiscard]] std::uint64_t doubled() const { return m_doubled; }
    // Times that the sequence number went back: the sender has started anew, and may be another one.
    [[nodiscard]] std::uint64_t restarts() const { return m_restarts; }

private:
    [[nodiscard]] bool finish();
    void count_sequence(std::uint16_t sequence);

    std::uint8_t m_raw[max_encoded_frame]{};
    std::size_t m_length{0};
    bool m_overflow{false};
    bool m_seen_any{false};
    std::uint16_t m_last_sequence{0};
    std::uint64_t m_dropped{0};
    std::uint64_t m_missed{0};
    std::uint64_t m_doubled{0};
    std::uint64_t m_restarts{0};
    Frame m_frame{};
};

// Copies a record out of a payload; false where the payload is shorter than the record.
template <typename Record>
[[nodiscard]] bool read_record(std::span<const std::uint8_t> payload, Record& record) {
    if (payload.size() < sizeof(Record)) return false;
    __builtin_memcpy(&record, payload.data(), sizeof(Record));
    return true;
}

} // namespace shadowtune::link
