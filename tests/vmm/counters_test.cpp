#include "hypervisor/shadow/counters.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

namespace shadowtune::shadow {
namespace {

using link::Access;
using Key = std::tuple<std::uint16_t, std::uint8_t, std::uint8_t>; // encoding, counted, reason

// The record is packed: its members are copied before anything takes their address.
[[nodiscard]] Key key_of(const link::CounterRecord& record) {
    return {std::uint16_t{record.encoding}, std::uint8_t{record.counted}, std::uint8_t{record.reason}};
}

struct Touch {
    vmcs::FieldIndex field;
    bool high_half;
    Access access;
    std::uint8_t reason;

    [[nodiscard]] Key key() const {
        const unsigned encoding{vmcs::catalogue[field].encoding + (high_half ? 1U : 0U)};
        return {static_cast<std::uint16_t>(encoding), static_cast<std::uint8_t>(access), reason};
    }
};

[[nodiscard]] Touch random_touch(std::mt19937_64& random, unsigned fields, unsigned reasons) {
    const auto field{static_cast<vmcs::FieldIndex>(random() % fields)};
    return {field, vmcs::catalogue[field].has_high_half() && random() % 2 == 0,
            random() % 2 == 0 ? Access::read : Access::write, static_cast<std::uint8_t>(random() % reasons)};
}

// Counts as the counters should, with the library's containers.
struct Model {
    std::map<Key, std::uint64_t> counts;
    std::vector<Key> order;
    std::uint64_t lost{0};

    void count(const Key& key) {
        if (!counts.contains(key)) {
            if (order.size() == AccessCounters::capacity) {
                ++lost;
                return;
            }
            order.push_back(key);
        }
        ++counts[key];
    }
};

void expect_same(const AccessCounters& counters, const Model& model) {
    ASSERT_EQ(counters.cells().size(), model.order.size());
    EXPECT_EQ(counters.lost(), model.lost);
    for (std::size_t i{0}; i < model.order.size(); ++i) {
        const auto& cell{counters.cells()[i]};
        ASSERT_EQ(key_of(cell), model.order[i]) << i;
        ASSERT_EQ(std::uint64_t{cell.count}, model.counts.at(model.order[i])) << i;
    }
}

TEST(AccessCounters, StartEmpty) {
    const auto counters{std::make_unique<AccessCounters>()};
    EXPECT_TRUE(counters->cells().empty());
    EXPECT_EQ(counters->lost(), 0U);
}

TEST(AccessCounters, KeepHalvesDirectionsAndReasonsApart) {
    const auto counters{std::make_unique<AccessCounters>()};
    const vmcs::FieldIndex tsc{vmcs::index_of(vmcs::Field::tsc_offset)};
    counters->count(tsc, true, Access::write, vmcs::no_round_trip);
    counters->count(tsc, false, Access::write, vmcs::no_round_trip);
    counters->count(tsc, false, Access::read, vmcs::no_round_trip);
    counters->count(tsc, false, Access::read, 0);
    counters->count(tsc, true, Access::write, vmcs::no_round_trip);
    ASSERT_EQ(counters->cells().size(), 4U);
    EXPECT_EQ(key_of(counters->cells()[0]), (Key{0x2011, 1, 80}));
    EXPECT_EQ(std::uint64_t{counters->cells()[0].count}, 2U);
    EXPECT_EQ(key_of(counters->cells()[1]), (Key{0x2010, 1, 80}));
    EXPECT_EQ(key_of(counters->cells()[2]), (Key{0x2010, 0, 80}));
    EXPECT_EQ(key_of(counters->cells()[3]), (Key{0x2010, 0, 0}));
    EXPECT_EQ(std::uint64_t{counters->cells()[3].count}, 1U);
}

TEST(AccessCounters, CountLikeTheModelInOrderOfFirstTouch) {
    const auto counters{std::make_unique<AccessCounters>()};
    Model model{};
    std::mt19937_64 random{31};
    for (unsigned i{0}; i < 50'000; ++i) {
        const Touch touch{random_touch(random, 40, 20)};
        counters->count(touch.field, touch.high_half, touch.access, touch.reason);
        model.count(touch.key());
    }
    EXPECT_EQ(model.lost, 0U);
    expect_same(*counters, model);
}

TEST(AccessCounters, FullTheyLoseNewCombinationsButKeepCountingTheOldOnes) {
    const auto counters{std::make_unique<AccessCounters>()};
    Model model{};
    std::mt19937_64 random{32};
    for (unsigned i{0}; i < 100'000; ++i) {
        const Touch touch{random_touch(random, vmcs::field_count, vmcs::reason_slots)};
        counters->count(touch.field, touch.high_half, touch.access, touch.reason);
        model.count(touch.key());
    }
    EXPECT_EQ(counters->cells().size(), AccessCounters::capacity);
    EXPECT_GT(model.lost, 0U);
    expect_same(*counters, model);
    std::uint64_t total{counters->lost()};
    for (const auto& cell : counters->cells())
        total += cell.count;
    EXPECT_EQ(total, 100'000U); // no access vanishes
}

// Every combination has a slot of its own: each counted once gives as many cells with count 1.
TEST(AccessCounters, NoTwoCombinationsShareACell) {
    std::size_t combinations{0};
    auto counters{std::make_unique<AccessCounters>()};
    Model model{};
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        for (unsigned half{0}; half < (vmcs::catalogue[field].has_high_half() ? 2U : 1U); ++half) {
            for (const Access access : {Access::read, Access::write}) {
                for (unsigned reason{0}; reason < vmcs::reason_slots; ++reason) {
                    if (combinations++ % AccessCounters::capacity == 0) {
                        expect_same(*counters, model);
                        counters = std::make_unique<AccessCounters>();
                        model = {};
                    }
                    const Touch touch{field, half == 1, access, static_cast<std::uint8_t>(reason)};
                    counters->count(touch.field, touch.high_half, touch.access, touch.reason);
                    model.count(touch.key());
                }
            }
        }
    }
    expect_same(*counters, model);
    EXPECT_EQ(combinations, (206U + 78U) * 2 * 81);
}

// Plain and sampled accesses in turn, in round trips of random lengths and reasons: what the cells say is
// what the model says, and before its end nothing of a sampled round trip is seen.
TEST(AccessCounters, SampledRoundTripsAppearAtTheirEnd) {
    const auto counters{std::make_unique<AccessCounters>()};
    std::map<Key, std::uint64_t> expected{};
    std::mt19937_64 random{33};
    std::uint64_t accesses{0};
    for (unsigned trip{0}; trip < 2'000; ++trip) {
        const auto reason{static_cast<std::uint8_t>(random() % 6)};
        const bool sampled{random() % 4 == 0};
        std::map<std::pair<vmcs::FieldIndex, Access>, std::uint64_t> in_trip{};
        const std::size_t before{counters->cells().size()};
        for (std::uint64_t left{random() % 30}; left != 0; --left, ++accesses) {
            const Touch touch{random_touch(random, 12, 1)};
            if (sampled) {
                counters->count_sampled(touch.field, touch.access);
                ++in_trip[{touch.field, touch.access}];
            } else {
                counters->count(touch.field, touch.high_half, touch.access, reason);
                const Touch plain{touch.field, touch.high_half, touch.access, reason};
                ++expected[plain.key()];
                if (random() % 3 != 0) continue;
                counters->count_in_memory(touch.field, touch.high_half, touch.access, reason);
                Key in_memory{plain.key()};
                std::get<1>(in_memory) =
                    static_cast<std::uint8_t>(touch.access == Access::read ? link::Counted::memory_reads
                                                                           : link::Counted::memory_writes);
                ++expected[in_memory];
            }
        }
        if (!sampled) continue;
        ASSERT_EQ(counters->cells().size(), before);
        counters->end_sampled_round_trip(reason);
        ++expected[{0, static_cast<std::uint8_t>(link::Counted::sampled_round_trips), reason}];
        for (const auto& [what, times] : in_trip) {
            const auto access{static_cast<unsigned>(what.second)};
            const vmcs::Encoding encoding{vmcs::catalogue[what.first].encoding};
            expected[{encoding, static_cast<std::uint8_t>(2 + access), reason}] += times;
            expected[{encoding, static_cast<std::uint8_t>(4 + access), reason}] += times * times;
        }
    }
    std::map<Key, std::uint64_t> found{};
    for (const auto& cell : counters->cells()) {
        EXPECT_TRUE(link::is_known(cell));
        EXPECT_TRUE(found.emplace(key_of(cell), std::uint64_t{cell.count}).second);
    }
    EXPECT_EQ(found, expected);
    EXPECT_GT(accesses, 20'000U);

    // A saved L1 goes on with the same counts.
    const auto restored{std::make_unique<AccessCounters>()};
    for (const auto& cell : counters->cells())
        restored->restore(cell);
    ASSERT_EQ(restored->cells().size(), counters->cells().size());
    for (std::size_t i{0}; i < counters->cells().size(); ++i) {
        EXPECT_EQ(key_of(restored->cells()[i]), key_of(counters->cells()[i]));
        EXPECT_EQ(std::uint64_t{restored->cells()[i].count}, std::uint64_t{counters->cells()[i].count});
    }
}

// A sample's sums and squares have room together or not at all, and saved ones come back in any order.
TEST(AccessCounters, SumsAndSquaresOfASampleBelongTogether) {
    const auto counters{std::make_unique<AccessCounters>()};
    const auto sample{[&](vmcs::FieldIndex field, unsigned times) {
        for (unsigned i{0}; i < times; ++i)
            counters->count_sampled(field, Access::read);
        counters->end_sampled_round_trip(10);
    }};
    const vmcs::FieldIndex last{vmcs::field_count - 1};
    sample(last, 2);
    std::vector<link::CounterRecord> saved{counters->cells().begin(), counters->cells().end()};
    ASSERT_EQ(saved.size(), 3U); // and that it was one
    const auto restored{std::make_unique<AccessCounters>()};
    for (auto cell{saved.rbegin()}; cell != saved.rend(); ++cell)
        restored->restore(*cell);
    std::map<Key, std::uint64_t> found{};
    for (const auto& cell : restored->cells())
        found[key_of(cell)] = cell.count;
    const vmcs::Encoding encoding{vmcs::catalogue[last].encoding};
    constexpr auto trips{static_cast<std::uint8_t>(link::Counted::sampled_round_trips)};
    EXPECT_EQ(found, (std::map<Key, std::uint64_t>{
                         {{encoding, 2, 10}, 2}, {{encoding, 4, 10}, 4}, {{0, trips, 10}, 1}}));

    for (unsigned i{0}; counters->cells().size() < AccessCounters::capacity - 1; ++i) {
        const auto field{static_cast<vmcs::FieldIndex>(i / vmcs::reason_slots / 2)};
        const Access access{i / vmcs::reason_slots % 2 == 0 ? Access::read : Access::write};
        const auto reason{static_cast<std::uint8_t>(i % vmcs::reason_slots)};
        counters->count(field, false, access, reason);
        if (counters->cells().size() < AccessCounters::capacity - 1)
            counters->count_in_memory(field, false, access, reason);
    }
    sample(0, 3);
    EXPECT_EQ(counters->lost(), 3U);
    EXPECT_EQ(counters->cells().size(), AccessCounters::capacity - 1);
    sample(last, 1);
    EXPECT_EQ(counters->lost(), 3U);
    const auto cells{counters->cells()};
    for (const link::CounterRecord& cell : saved) {
        const auto now{std::find_if(cells.begin(), cells.end(),
                                    [&](const auto& each) { return key_of(each) == key_of(cell); })};
        ASSERT_NE(now, cells.end());
        const bool is_trips{std::get<1>(key_of(cell)) == trips};
        EXPECT_EQ(std::uint64_t{now->count}, cell.count + (is_trips ? 2U : 1U));
    }
}

// In sampled round trips and others alike, and kept by a saved L1.
TEST(AccessCounters, CountValuesThatAreOthers) {
    const auto counters{std::make_unique<AccessCounters>()};
    const vmcs::FieldIndex rip{vmcs::index_of(vmcs::Field::guest_rip)};
    const vmcs::FieldIndex tsc{vmcs::index_of(vmcs::Field::tsc_offset)};
    vmcs::FieldSet others{};
    others.set(rip);
    others.set(tsc);
    counters->count_sampled(rip, Access::read);
    counters->count_changed(rip, 10);
    counters->count_changed(rip, 10);
    std::uint64_t compared{0};
    for (unsigned i{0}; i < 100; ++i) {
        const bool compares{counters->compares_next_switch()};
        counters->count_switch(i / 3, i < 60 ? 10 : 12);
        if (!compares) continue;
        ++compared;
        counters->count_others(others, 10);
    }
    EXPECT_EQ(compared, 100 / link::one_compared_in);
    std::map<Key, std::uint64_t> found{};
    const auto restored{std::make_unique<AccessCounters>()};
    for (const auto& cell : counters->cells()) {
        EXPECT_TRUE(link::is_known(cell));
        found[key_of(cell)] = cell.count;
        restored->restore(cell);
    }
    const std::map<Key, std::uint64_t> expected{{{0x681E, 8, 10}, 2},
                                                {{0, 12, 10}, 60},
                                                {{0, 12, 12}, 40},
                                                {{0, 13, 10}, 20},
                                                {{0, 13, 12}, 14},
                                                {{0x681E, 9, 10}, compared * 17},
                                                {{0x2010, 9, 10}, compared * 17}};
    EXPECT_EQ(found, expected);
    ASSERT_EQ(restored->cells().size(), expected.size());
    for (std::size_t i{0}; i < expected.size(); ++i) {
        EXPECT_EQ(key_of(restored->cells()[i]), key_of(counters->cells()[i]));
        EXPECT_EQ(std::uint64_t{restored->cells()[i].count}, std::uint64_t{counters->cells()[i].count});
    }
}

// An L1 that turns to and fro has both ways compared.
TEST(AccessCounters, CompareBothWays) {
    const auto counters{std::make_unique<AccessCounters>()};
    std::uint64_t ways[2]{};
    for (unsigned i{0}; i < 340; ++i) {
        if (counters->compares_next_switch()) ++ways[i % 2];
        counters->count_switch(i, 10);
    }
    EXPECT_EQ(ways[0], 10U);
    EXPECT_EQ(ways[1], 10U);
}

TEST(CounterRecords, NameWhatCanBeCounted) {
    const auto known{[](std::uint16_t encoding, link::Counted counted) {
        return link::is_known({encoding, static_cast<std::uint8_t>(counted), 10, 1});
    }};
    using link::Counted;
    for (const Counted counted :
         {Counted::reads, Counted::writes, Counted::memory_reads, Counted::memory_writes}) {
        EXPECT_TRUE(known(0x2010, counted));
        EXPECT_TRUE(known(0x2011, counted));
        EXPECT_FALSE(known(0x7FFE, counted));
    }
    for (const Counted counted :
         {Counted::sampled_reads, Counted::squared_writes, Counted::changed, Counted::other}) {
        EXPECT_TRUE(known(0x2010, counted));
        EXPECT_FALSE(known(0x2011, counted)) << "of the whole field";
        EXPECT_FALSE(known(0x7FFE, counted));
    }
    for (const Counted counted : {Counted::sampled_round_trips, Counted::round_trips, Counted::switches,
                                  Counted::switched_round_trips}) {
        EXPECT_TRUE(known(0, counted));
        EXPECT_FALSE(known(0x2010, counted)) << "of no field";
    }
    EXPECT_FALSE(link::is_known({0, link::last_counted + 1, 10, 1}));
}

// A sampled round trip that never ends leaves plain counts, and nothing for the next one.
TEST(AccessCounters, AbandonedSamplesArePlainCounts) {
    const auto counters{std::make_unique<AccessCounters>()};
    const vmcs::FieldIndex rip{vmcs::index_of(vmcs::Field::guest_rip)};
    counters->count(rip, false, Access::read, 10);
    counters->count_sampled(rip, Access::read);
    counters->count_sampled(rip, Access::read);
    counters->abandon_sampled_round_trip(10);
    ASSERT_EQ(counters->cells().size(), 1U);
    EXPECT_EQ(key_of(counters->cells()[0]), (Key{0x681E, 0, 10}));
    EXPECT_EQ(std::uint64_t{counters->cells()[0].count}, 3U);
    counters->count_sampled(rip, Access::read);
    counters->end_sampled_round_trip(12);
    ASSERT_EQ(counters->cells().size(), 4U);
    EXPECT_EQ(key_of(counters->cells()[1]), (Key{0x681E, 2, 12}));
    EXPECT_EQ(std::uint64_t{counters->cells()[1].count}, 1U);
}

} // namespace
} // namespace shadowtune::shadow
