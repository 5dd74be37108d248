#include "lab/fault_injector.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

using Bytes = std::vector<std::uint8_t>;

// `count` frames of `length` bytes, none of them zero but the last.
[[nodiscard]] Bytes frames(std::size_t count, std::size_t length = 10) {
    Bytes bytes;
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 1; j < length; ++j)
            bytes.push_back(static_cast<std::uint8_t>(1 + (i + j) % 255));
        bytes.push_back(0);
    }
    return bytes;
}

TEST(FaultInjector, without_faults_bytes_pass_at_once) {
    FaultInjector injector{{}};
    Bytes out;
    const Bytes half{1, 2, 3};
    injector.pass(half, out);
    EXPECT_EQ(out, half);
    EXPECT_EQ(injector.counts().frames, 0U);
}

TEST(FaultInjector, a_frame_waits_for_its_end) {
    FaultInjector injector{{1, 1'000'000}};
    Bytes out;
    injector.pass(Bytes{1, 2}, out);
    EXPECT_TRUE(out.empty());
    injector.pass(Bytes{0, 3}, out);
    EXPECT_EQ(out, (Bytes{1, 2, 0}));
    injector.reset();
    injector.pass(Bytes{4, 0}, out);
    EXPECT_EQ(out, (Bytes{1, 2, 0, 4, 0})) << "the half frame is forgotten";
}

TEST(FaultInjector, faults_are_about_as_many_as_asked_for_and_of_all_kinds) {
    FaultInjector injector{{7, 100}};
    Bytes out;
    injector.pass(frames(100'000), out);
    const auto& counts = injector.counts();
    EXPECT_EQ(counts.frames, 100'000U);
    EXPECT_NEAR(static_cast<double>(counts.faults()), 1000.0, 150.0);
    EXPECT_GT(counts.corrupted, 200U);
    EXPECT_GT(counts.dropped, 200U);
    EXPECT_GT(counts.doubled, 200U);
    EXPECT_EQ(out.size(), (100'000 - counts.dropped + counts.doubled) * 10);
}

TEST(FaultInjector, the_same_seed_gives_the_same_faults_however_the_stream_is_cut) {
    const auto in = frames(1000);
    Bytes whole;
    Bytes pieces;
    Bytes other;
    FaultInjector first{{3, 10}};
    FaultInjector second{{3, 10}};
    FaultInjector third{{4, 10}};
    first.pass(in, whole);
    for (const auto byte : in)
        second.pass(Bytes{byte}, pieces);
    third.pass(in, other);
    EXPECT_EQ(whole, pieces);
    EXPECT_NE(whole, other);
}

TEST(FaultInjector, an_endless_frame_passes_in_pieces) {
    FaultInjector injector{{1, 1'000'000}};
    Bytes out;
    injector.pass(Bytes(200'000, 1), out);
    EXPECT_GE(out.size(), 128U * 1024U);
}

} // namespace
} // namespace shadowtune::lab
