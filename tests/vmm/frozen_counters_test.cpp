#include "hypervisor/shadow/frozen_counters.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace shadowtune::shadow {
namespace {

[[nodiscard]] std::vector<link::CounterRecord> cells(std::size_t count, std::uint64_t value) {
    std::vector<link::CounterRecord> list;
    for (std::size_t i{0}; i < count; ++i)
        list.push_back({static_cast<std::uint16_t>(2 * i), 0, 10, value});
    return list;
}

[[nodiscard]] link::SnapshotHead head(std::uint64_t round_trips) {
    link::SnapshotHead record{};
    record.round_trips = round_trips;
    return record;
}

TEST(FrozenCountersTest, GivesWhatWasFrozenInParts) {
    const auto frozen{std::make_unique<FrozenCounters>()};
    EXPECT_FALSE(frozen->is_ready(1));
    const std::size_t count{link::records_per_part + 3};
    frozen->freeze(1, head(7), cells(count, 5));
    ASSERT_TRUE(frozen->is_ready(1));
    EXPECT_FALSE(frozen->is_ready(2));
    EXPECT_EQ(std::uint64_t{frozen->head().round_trips}, 7U);
    EXPECT_EQ(std::uint16_t{frozen->head().parts}, 2U);
    EXPECT_EQ(frozen->part(0).size(), link::records_per_part);
    ASSERT_EQ(frozen->part(1).size(), 3U);
    EXPECT_EQ(std::uint16_t{frozen->part(1)[2].encoding}, 2 * (count - 1));
}

// The mail of an earlier request may be taken so late that it is answered as this one; this one's own mail
// then comes while the answer is being sent.
TEST(FrozenCountersTest, TheSameRequestAgainChangesNothing) {
    const auto frozen{std::make_unique<FrozenCounters>()};
    frozen->freeze(2, head(7), cells(4, 5));
    frozen->freeze(2, head(8), cells(200, 6));
    EXPECT_TRUE(frozen->is_ready(2));
    EXPECT_EQ(std::uint64_t{frozen->head().round_trips}, 7U);
    ASSERT_EQ(frozen->part(0).size(), 4U);
    EXPECT_EQ(std::uint64_t{frozen->part(0)[0].count}, 5U);
    frozen->freeze(3, head(8), cells(200, 6));
    EXPECT_FALSE(frozen->is_ready(2));
    EXPECT_EQ(std::uint64_t{frozen->head().round_trips}, 8U);
}

} // namespace
} // namespace shadowtune::shadow
