// The frame codec on arbitrary bytes: as a line, as a payload, and as the damage done to a good frame.
// The decoder runs inside L0 on bytes that anybody with the cable may send.

#include "link/frame.hpp"

#include <cstdlib>
#include <cstring>
#include <span>

namespace {

using namespace shadowtune::link;
using Bytes = std::span<const std::uint8_t>;

void require(bool holds) {
    if (!holds) std::abort();
}

bool same(Bytes a, Bytes b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Encodes and decodes again: exactly one frame, and the same.
void expect_round_trip(MessageType type, std::uint16_t sequence, Bytes payload) {
    std::uint8_t encoded[max_encoded_frame];
    const std::size_t length{encode_frame(type, sequence, payload, encoded)};
    require(length != 0 && encoded[length - 1] == 0);
    FrameDecoder decoder;
    for (std::size_t i{0}; i + 1 < length; ++i)
        require(!decoder.push(encoded[i]));
    require(decoder.push(0));
    const Frame& frame{decoder.frame()};
    require(frame.type == type && frame.sequence == sequence && same(frame.payload, payload));
}

void as_line(Bytes line) {
    FrameDecoder decoder;
    for (const std::uint8_t byte : line) {
        const std::uint64_t dropped{decoder.dropped()};
        if (!decoder.push(byte)) continue;
        const Frame& frame{decoder.frame()};
        require(byte == 0 && decoder.dropped() == dropped && frame.payload.size() <= max_payload);
        expect_round_trip(frame.type, frame.sequence, frame.payload);
    }
    // Whatever came before, one zero makes the line good again.
    static_cast<void>(decoder.push(0));
    std::uint8_t encoded[max_encoded_frame];
    const std::size_t length{encode_frame(MessageType::log, 1, {}, encoded)};
    bool found{false};
    for (std::size_t i{0}; i < length; ++i)
        found = decoder.push(encoded[i]);
    require(found);
}

void as_payload(Bytes bytes) {
    if (bytes.size() < 3) return;
    const Bytes payload{
        bytes.subspan(3).first(bytes.size() - 3 < max_payload ? bytes.size() - 3 : max_payload)};
    const auto sequence{static_cast<std::uint16_t>(bytes[1] | (bytes[2] << 8))};
    expect_round_trip(static_cast<MessageType>(bytes[0]), sequence, payload);
}

// The first three bytes say which bit of a good frame is hit. CRC-32C sees up to five wrong bits at these
// lengths; a hit on a COBS code byte or on the closing zero moves more than that, and must still not pass for
// a frame.
void as_damage(Bytes bytes) {
    if (bytes.size() < 3) return;
    const Bytes payload{
        bytes.subspan(3).first(bytes.size() - 3 < max_payload ? bytes.size() - 3 : max_payload)};
    std::uint8_t encoded[max_encoded_frame];
    const std::size_t length{encode_frame(MessageType::snapshot_part, 9, payload, encoded)};
    const std::size_t at{static_cast<std::size_t>(bytes[0] | (bytes[1] << 8)) % length};
    const auto flips{static_cast<std::uint8_t>(1U << (bytes[2] % 8))};
    encoded[at] = static_cast<std::uint8_t>(encoded[at] ^ flips);
    FrameDecoder decoder;
    for (std::size_t i{0}; i < length; ++i)
        require(!decoder.push(encoded[i]));
    require(!decoder.push(0) && decoder.dropped() > 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes{data, size};
    as_line(bytes);
    as_payload(bytes);
    as_damage(bytes);
    return 0;
}
