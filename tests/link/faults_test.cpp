// The line as it is: bits flip, bytes and frames vanish or come twice. Freshness may be lost, truth never.

#include "tests/link/frames.hpp"

#include <algorithm>
#include <array>

namespace shadowtune::link::test {
namespace {

// A frame whose CRC is right although its contents are not what encode_frame would make.
Bytes raw_frame(Bytes raw) {
    const std::uint32_t crc{crc32c(raw)};
    for (int i{0}; i < 4; ++i)
        raw.push_back(static_cast<std::uint8_t>(crc >> (8 * i)));
    Bytes out;
    for (std::size_t from{0}; from <= raw.size();) {
        std::size_t run{0};
        while (from + run < raw.size() && raw[from + run] != 0 && run < 254)
            ++run;
        out.push_back(static_cast<std::uint8_t>(run + 1));
        for (std::size_t i{0}; i < run; ++i)
            out.push_back(raw[from + i]);
        from += run + (run < 254 ? 1 : 0);
    }
    out.push_back(0);
    return out;
}

TEST(Decoder, RefusesEveryOneBitCorruption) {
    std::mt19937 random{3};
    std::size_t tried{0};
    for (const std::size_t length : {0U, 1U, 4U, 108U, 300U, 1024U}) {
        OwnedFrame frame{MessageType::snapshot_part, 0x1234, Bytes(length)};
        for (auto& byte : frame.payload)
            byte = static_cast<std::uint8_t>(random() % 4 == 0 ? 0 : random());
        const Bytes good{encode(frame)};
        for (std::size_t bit{0}; bit < good.size() * 8; ++bit, ++tried) {
            Bytes bad{good};
            bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
            bad.push_back(0); // where the closing zero itself was hit, this one closes
            FrameDecoder decoder;
            EXPECT_TRUE(feed(decoder, bad).empty()) << "bit " << bit << " of " << length;
            EXPECT_GE(decoder.dropped(), 1U);
            EXPECT_EQ(feed(decoder, good).size(), 1U) << "no resync after bit " << bit;
        }
    }
    EXPECT_GT(tried, 10'000U);
}

TEST(Decoder, RefusesEveryTruncation) {
    std::mt19937 random{4};
    const Bytes good{encode({MessageType::hello, 7, random_payload(random)})};
    for (std::size_t length{1}; length + 1 < good.size(); ++length) {
        Bytes cut{good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)};
        cut.push_back(0);
        FrameDecoder decoder;
        EXPECT_TRUE(feed(decoder, cut).empty()) << "cut to " << length;
        EXPECT_EQ(decoder.dropped(), 1U);
    }
}

TEST(Decoder, RefusesAnotherVersionAShortAndALongFrame) {
    FrameDecoder decoder;
    ASSERT_EQ(feed(decoder, raw_frame({protocol_version, 0x86, 0, 0, 'x'})).size(), 1U)
        << "the helper makes good frames";
    EXPECT_TRUE(feed(decoder, raw_frame({protocol_version - 1, 0x86, 1, 0, 'x'})).empty());
    EXPECT_TRUE(feed(decoder, raw_frame({protocol_version, 0x86, 1})).empty());
    Bytes longest(frame_header_size + max_payload, 0x00);
    longest[0] = protocol_version;
    EXPECT_EQ(feed(decoder, raw_frame(longest)).size(), 1U);
    longest.push_back(0x00);
    EXPECT_TRUE(feed(decoder, raw_frame(longest)).empty());
    EXPECT_EQ(decoder.dropped(), 3U);
}

TEST(Decoder, FindsTheNextFrameAfterGarbage) {
    std::mt19937 random{5};
    for (int round{0}; round < 300; ++round) {
        Bytes garbage(1 + random() % 5000);
        for (auto& byte : garbage)
            byte = static_cast<std::uint8_t>(1 + random() % 255);
        garbage.push_back(0);
        FrameDecoder decoder;
        EXPECT_TRUE(feed(decoder, garbage).empty());
        EXPECT_EQ(decoder.dropped(), 1U);
        const OwnedFrame frame{MessageType::log, 1, random_payload(random)};
        const auto found{feed(decoder, encode(frame))};
        ASSERT_EQ(found.size(), 1U);
        EXPECT_EQ(found.front(), frame);
    }
}

TEST(Decoder, LoneZerosAreNoLoss) {
    FrameDecoder decoder;
    EXPECT_TRUE(feed(decoder, Bytes(1000, 0)).empty());
    EXPECT_EQ(decoder.dropped(), 0U);
    // Half a frame, ended by the lone zero of a sender that connects anew.
    const Bytes good{encode({MessageType::log, 0, {1, 2, 3}})};
    EXPECT_TRUE(feed(decoder, std::span{good}.first(5)).empty());
    EXPECT_TRUE(feed(decoder, Bytes{0}).empty());
    EXPECT_EQ(feed(decoder, good).size(), 1U);
    EXPECT_EQ(decoder.dropped(), 1U);
}

TEST(Decoder, CountsGapsDoublesAndRestarts) {
    struct Step {
        std::uint16_t sequence;
        std::uint64_t missed, doubled, restarts;
    };
    FrameDecoder decoder;
    for (const auto& [sequence, missed, doubled, restarts] : std::array{
             Step{65'000, 0, 0, 0}, // the first number is as good as any
             Step{65'001, 0, 0, 0},
             Step{65'004, 2, 0, 0},
             Step{65'004, 2, 1, 0}, // doubled
             Step{65'004, 2, 2, 0},
             Step{65'535, 532, 2, 0},
             Step{0, 532, 2, 0}, // wraps
             Step{2, 533, 2, 0},
             Step{1, 533, 2, 1}, // the sender started anew
             Step{2, 533, 2, 1},
         }) {
        EXPECT_EQ(feed(decoder, encode({MessageType::log, sequence, {}})).size(), 1U);
        EXPECT_EQ(decoder.missed(), missed) << "at " << sequence;
        EXPECT_EQ(decoder.doubled(), doubled) << "at " << sequence;
        EXPECT_EQ(decoder.restarts(), restarts) << "at " << sequence;
    }
}

// Frames and single bytes dropped, doubled and flipped at random: whatever comes out was sent, in the order
// of sending.
TEST(Decoder, NeverYieldsAFrameThatWasNotSent) {
    std::mt19937 random{6};
    std::size_t delivered{0};
    for (int round{0}; round < 60; ++round) {
        std::vector<OwnedFrame> sent;
        Bytes line;
        for (std::uint16_t sequence{0}; sequence < 200; ++sequence) {
            sent.push_back({static_cast<MessageType>(random()), sequence, random_payload(random, 300)});
            const Bytes encoded{encode(sent.back())};
            const auto copies{random() % 10 == 0 ? 0U : random() % 10 == 0 ? 2U : 1U};
            for (unsigned copy{0}; copy < copies; ++copy)
                line.insert(line.end(), encoded.begin(), encoded.end());
        }
        Bytes arrived;
        for (const std::uint8_t byte : line) {
            const auto fault{random() % 2000};
            if (fault == 0) continue;
            arrived.push_back(fault == 1 ? static_cast<std::uint8_t>(byte ^ (1U << (random() % 8))) : byte);
            if (fault == 2) arrived.push_back(byte);
        }
        FrameDecoder decoder;
        std::size_t next{0};
        for (const OwnedFrame& frame : feed(decoder, arrived)) {
            ASSERT_LT(frame.sequence, sent.size());
            ASSERT_EQ(frame, sent[frame.sequence]);
            ASSERT_GE(frame.sequence, next);
            next = frame.sequence;
            ++delivered;
        }
        EXPECT_GT(decoder.dropped(), 0U);
        EXPECT_GT(decoder.missed(), 0U);
        EXPECT_GT(decoder.doubled(), 0U);
        EXPECT_EQ(decoder.restarts(), 0U);
    }
    EXPECT_GT(delivered, 60U * 200U / 2U);
}

} // namespace
} // namespace shadowtune::link::test
