#pragma once

// What the codec's tests share: frames as values, and both ways through the codec.

#include "link/frame.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace shadowtune::link::test {

using Bytes = std::vector<std::uint8_t>;

struct OwnedFrame {
    MessageType type{};
    std::uint16_t sequence{};
    Bytes payload;

    friend bool operator==(const OwnedFrame&, const OwnedFrame&) = default;
};

inline Bytes encode(const OwnedFrame& frame) {
    Bytes out(max_encoded_frame);
    out.resize(encode_frame(frame.type, frame.sequence, frame.payload, out));
    return out;
}

// All frames that the decoder finds in these bytes.
inline std::vector<OwnedFrame> feed(FrameDecoder& decoder, std::span<const std::uint8_t> bytes) {
    std::vector<OwnedFrame> found;
    for (const std::uint8_t byte : bytes) {
        if (!decoder.push(byte)) continue;
        const Frame& frame{decoder.frame()};
        found.push_back({frame.type, frame.sequence, {frame.payload.begin(), frame.payload.end()}});
    }
    return found;
}

// Payloads of every texture that COBS treats differently: random, many zeros, none, all.
inline Bytes random_payload(std::mt19937& random, std::size_t longest = max_payload) {
    Bytes payload(random() % (longest + 1));
    const auto texture{random() % 4};
    for (auto& byte : payload) {
        switch (texture) {
        case 0: byte = static_cast<std::uint8_t>(random()); break;
        case 1: byte = static_cast<std::uint8_t>(random() % 3); break;
        case 2: byte = static_cast<std::uint8_t>(1 + random() % 255); break;
        default: byte = 0;
        }
    }
    return payload;
}

} // namespace shadowtune::link::test
