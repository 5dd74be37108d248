// A saved state in parts: lost, doubled and foreign parts cost nothing but time.

#include "hypervisor/shadow/blob_buffer.hpp"
#include "link/frame.hpp"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace shadowtune::shadow {
namespace {

using Bytes = std::vector<std::uint8_t>;

class BlobBufferTest : public ::testing::Test {
protected:
    BlobBufferTest() {
        for (auto& byte : blob)
            byte = static_cast<std::uint8_t>(random());
        crc = link::crc32c(blob);
        size = static_cast<std::uint32_t>(blob.size());
        out.start(out_room);
        in.start(in_room);
    }

    std::mt19937 random{5};
    Bytes blob = Bytes(10'000);
    Bytes out_room = Bytes(16'384);
    Bytes in_room = Bytes(16'384);
    std::uint32_t crc{0};
    std::uint32_t size{0};
    BlobBuffer out{};
    BlobBuffer in{};
};

TEST_F(BlobBufferTest, GivesPartsInAnyOrder) {
    std::copy(blob.begin(), blob.end(), out.room().begin());
    out.offer(blob.size());
    EXPECT_EQ(out.crc(), crc);
    for (int i{0}; i < 1000; ++i) {
        const auto offset{static_cast<std::uint32_t>(random() % blob.size())};
        const auto part{out.part(crc, offset)};
        ASSERT_EQ(part.size(), std::min(link::blob_chunk_bytes, blob.size() - offset));
        EXPECT_TRUE(std::equal(part.begin(), part.end(), blob.begin() + offset));
    }
    EXPECT_TRUE(out.part(crc, size).empty());
    EXPECT_TRUE(out.part(crc ^ 1, 0).empty());
    out.forget();
    EXPECT_TRUE(out.part(crc, 0).empty());
}

TEST_F(BlobBufferTest, TakesPartsWhateverTheLineDoes) {
    ASSERT_TRUE(in.expect(size, crc));
    std::uint64_t sent{0};
    while (!in.is_whole()) {
        // Now and then a part is lost, comes twice, comes from before, or leaves a gap.
        const std::uint32_t held{in.held()};
        const std::uint32_t at{random() % 4 == 0 ? static_cast<std::uint32_t>(random() % size) : held};
        const std::size_t length{1 + random() % link::blob_chunk_bytes};
        const Bytes part{blob.begin() + at, blob.begin() + static_cast<std::ptrdiff_t>(
                                                               std::min<std::size_t>(size, at + length))};
        ++sent;
        EXPECT_EQ(in.take(crc, at, part), at <= held);
        EXPECT_GE(in.held(), held);
        if (random() % 8 == 0) {
            EXPECT_FALSE(in.take(crc ^ 1, held, part));
        }
        if (random() % 8 == 0) {
            ASSERT_TRUE(in.expect(size, crc)); // the same again, after a cut
            EXPECT_GE(in.held(), held);
        }
        ASSERT_LT(sent, 100'000U);
    }
    EXPECT_TRUE(in.finish(crc));
    EXPECT_EQ(Bytes(in.bytes().begin(), in.bytes().end()), blob);
}

TEST_F(BlobBufferTest, BeginsAnewWhereTheSumDoesNotFit) {
    blob[77] ^= 1;
    ASSERT_TRUE(in.expect(size, crc));
    for (std::uint32_t at{0}; at < size; at += 1000)
        EXPECT_TRUE(in.take(crc, at, std::span{blob}.subspan(at, 1000)));
    EXPECT_FALSE(in.finish(crc));
    EXPECT_EQ(in.held(), 0U);
}

TEST_F(BlobBufferTest, RefusesWhatHasNoRoom) {
    EXPECT_FALSE(in.expect(static_cast<std::uint32_t>(in_room.size() + 1), 1));
    EXPECT_FALSE(in.expect(0, 0x1234));
    EXPECT_FALSE(in.take(0, 0, blob));
    ASSERT_TRUE(in.expect(100, crc));
    EXPECT_FALSE(in.take(crc, 0, blob));
    EXPECT_FALSE(in.take(crc, 101, {}));
    EXPECT_FALSE(in.take(crc, 0xFFFF'FFFF, blob));
    EXPECT_EQ(in.held(), 0U);
}

} // namespace
} // namespace shadowtune::shadow
