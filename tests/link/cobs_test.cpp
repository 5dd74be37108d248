// Frames without faults: every payload length and texture comes back as it was sent, in the fewest bytes.

#include "tests/link/frames.hpp"

#include <algorithm>

namespace shadowtune::link::test {
namespace {

// No zero inside, one at the end, and no longer than COBS promises.
void expect_well_formed(const Bytes& encoded, std::size_t payload) {
    const std::size_t raw{frame_header_size + payload + frame_crc_size};
    ASSERT_FALSE(encoded.empty());
    EXPECT_EQ(encoded.back(), 0);
    EXPECT_EQ(std::count(encoded.begin(), encoded.end(), 0), 1);
    EXPECT_GE(encoded.size(), raw + 2);
    EXPECT_LE(encoded.size(), raw + (raw + 253) / 254 + 1);
    EXPECT_LE(encoded.size(), max_encoded_frame);
}

void expect_round_trip(const OwnedFrame& sent) {
    const Bytes encoded{encode(sent)};
    expect_well_formed(encoded, sent.payload.size());
    FrameDecoder decoder;
    const auto found{feed(decoder, encoded)};
    ASSERT_EQ(found.size(), 1U) << "payload of " << sent.payload.size();
    EXPECT_EQ(found.front(), sent);
    EXPECT_EQ(decoder.dropped(), 0U);
}

TEST(Cobs, EveryLengthInEveryTexture) {
    for (std::size_t length{0}; length <= max_payload; ++length) {
        for (const int texture : {0x00, 0x01, 0xFF, -1}) {
            Bytes payload(length);
            for (std::size_t i{0}; i < length; ++i) {
                payload[i] =
                    static_cast<std::uint8_t>(texture >= 0 ? texture : static_cast<int>(i % 255) + 1);
            }
            expect_round_trip({MessageType::log, static_cast<std::uint16_t>(length), payload});
        }
    }
}

// Runs around 254 bytes are where COBS changes its mind; a sequence number without zeros makes header,
// payload and CRC one run, one with zeros puts the run's start at different places.
TEST(Cobs, ZeroAtEveryPlaceAroundALongRun) {
    for (const std::size_t length : {243U, 246U, 250U, 253U, 254U, 255U, 500U, 508U, 510U}) {
        for (std::size_t zero{0}; zero < length; ++zero) {
            for (const int sequence : {0x0000, 0x0101, 0x0100, 0x0001}) {
                Bytes payload(length, 0x5A);
                payload[zero] = 0;
                expect_round_trip(
                    {MessageType::snapshot_part, static_cast<std::uint16_t>(sequence), payload});
            }
        }
    }
}

TEST(Cobs, RandomPayloads) {
    std::mt19937 random{1};
    for (int i{0}; i < 20'000; ++i) {
        expect_round_trip({static_cast<MessageType>(random()), static_cast<std::uint16_t>(random()),
                           random_payload(random)});
    }
}

TEST(Encoder, RefusesTooLongAPayload) {
    Bytes out(2 * max_encoded_frame);
    EXPECT_EQ(encode_frame(MessageType::log, 0, Bytes(max_payload + 1), out), 0U);
}

TEST(Encoder, RefusesTooLittleRoomAndStaysInside) {
    std::mt19937 random{2};
    for (int i{0}; i < 500; ++i) {
        const OwnedFrame frame{MessageType::log, static_cast<std::uint16_t>(i), random_payload(random, 600)};
        const std::size_t needed{encode(frame).size()};
        for (std::size_t room{0}; room <= needed; room += 1 + random() % 16) {
            Bytes out(needed + 1, 0xEE);
            const std::size_t given{
                encode_frame(frame.type, frame.sequence, frame.payload, std::span{out}.first(room))};
            EXPECT_EQ(given, room == needed ? needed : 0U);
            EXPECT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(room), out.end(),
                                    [](std::uint8_t byte) { return byte == 0xEE; }));
        }
        Bytes exact(needed);
        EXPECT_EQ(encode_frame(frame.type, frame.sequence, frame.payload, exact), needed);
    }
}

// The format is binding on both ends and on other builds: these bytes may only change with the protocol
// version.
TEST(Encoder, BytesOfAKnownFrame) {
    const OwnedFrame frame{MessageType::hello_request, 0x0203, {0x11, 0x00, 0x22}};
    const Bytes raw{6, 0x01, 0x03, 0x02, 0x11, 0x00, 0x22};
    const std::uint32_t crc{crc32c(raw)};
    const Bytes expected{6,
                         6,
                         0x01,
                         0x03,
                         0x02,
                         0x11,
                         6,
                         0x22,
                         static_cast<std::uint8_t>(crc),
                         static_cast<std::uint8_t>(crc >> 8),
                         static_cast<std::uint8_t>(crc >> 16),
                         static_cast<std::uint8_t>(crc >> 24),
                         0};
    ASSERT_EQ(std::count(expected.begin(), expected.end(), 0), 1)
        << "the CRC has a zero: choose another payload";
    EXPECT_EQ(encode(frame), expected);
}

} // namespace
} // namespace shadowtune::link::test
