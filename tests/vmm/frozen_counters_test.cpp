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

constexpr FrozenCounters::RoundTrips no_round_trips{};

struct Part {
    link::CounterRecord records[link::records_per_part]{};
    std::size_t count{0};
};
[[nodiscard]] Part part(const FrozenCounters& frozen, std::size_t number) {
    Part taken{};
    taken.count = frozen.part(number, taken.records);
    return taken;
}

TEST(FrozenCountersTest, GivesWhatWasFrozenInParts) {
    const auto frozen{std::make_unique<FrozenCounters>()};
    EXPECT_FALSE(frozen->is_ready(1));
    const std::size_t count{link::records_per_part + 3};
    frozen->freeze(1, 0, head(7), no_round_trips, cells(count, 5));
    ASSERT_TRUE(frozen->is_ready(1));
    EXPECT_FALSE(frozen->is_ready(2));
    EXPECT_EQ(std::uint64_t{frozen->head().round_trips}, 7U);
    EXPECT_EQ(std::uint32_t{frozen->head().number}, 1U);
    EXPECT_EQ(std::uint16_t{frozen->head().parts}, 2U);
    EXPECT_EQ(part(*frozen, 0).count, link::records_per_part);
    const Part last{part(*frozen, 1)};
    ASSERT_EQ(last.count, 3U);
    EXPECT_EQ(std::uint16_t{last.records[2].encoding}, 2 * (count - 1));
}

// The mail of an earlier request may be taken so late that it is answered as this one; this one's own mail
// then comes while the answer is being sent.
TEST(FrozenCountersTest, TheSameRequestAgainChangesNothing) {
    const auto frozen{std::make_unique<FrozenCounters>()};
    frozen->freeze(2, 0, head(7), no_round_trips, cells(4, 5));
    frozen->freeze(2, 0, head(8), no_round_trips, cells(200, 6));
    EXPECT_TRUE(frozen->is_ready(2));
    EXPECT_EQ(std::uint64_t{frozen->head().round_trips}, 7U);
    const Part first{part(*frozen, 0)};
    ASSERT_EQ(first.count, 4U);
    EXPECT_EQ(std::uint64_t{first.records[0].count}, 5U);
    frozen->freeze(3, 0, head(8), no_round_trips, cells(200, 6));
    EXPECT_FALSE(frozen->is_ready(2));
    EXPECT_EQ(std::uint64_t{frozen->head().round_trips}, 8U);
}

TEST(FrozenCountersTest, TellsOnlyWhatChangedSinceTheOneThatTheHostHas) {
    const auto frozen{std::make_unique<FrozenCounters>()};
    FrozenCounters::RoundTrips round_trips{};
    round_trips[10] = 3;
    auto list{cells(200, 5)};
    frozen->freeze(1, 0, head(1), round_trips, list);
    EXPECT_EQ(std::uint16_t{frozen->head().parts}, 3U);
    EXPECT_EQ(std::uint32_t{frozen->head().since}, 0U);
    EXPECT_EQ(std::uint8_t{part(*frozen, 0).records[0].counted},
              static_cast<std::uint8_t>(link::Counted::round_trips));

    list[150].count = 6;
    list.push_back({0x681E, 1, 10, 1}); // touched for the first time
    round_trips[30] = 1;
    frozen->freeze(2, 1, head(2), round_trips, list);
    EXPECT_EQ(std::uint32_t{frozen->head().since}, 1U);
    ASSERT_EQ(std::uint16_t{frozen->head().parts}, 1U);
    const Part changed{part(*frozen, 0)};
    ASSERT_EQ(changed.count, 3U);
    EXPECT_EQ(std::uint8_t{changed.records[0].reason}, 30U);
    EXPECT_EQ(std::uint64_t{changed.records[1].count}, 6U);
    EXPECT_EQ(std::uint16_t{changed.records[2].encoding}, 0x681EU);

    frozen->freeze(3, 2, head(3), round_trips, list);
    EXPECT_EQ(std::uint16_t{frozen->head().parts}, 0U) << "nothing changed";
    frozen->freeze(4, 2, head(4), round_trips, list);
    EXPECT_EQ(std::uint32_t{frozen->head().since}, 0U) << "2 is not what was frozen last: all of it";
    EXPECT_EQ(std::uint16_t{frozen->head().parts}, 3U);
}

} // namespace
} // namespace shadowtune::shadow
