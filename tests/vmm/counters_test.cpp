#include "hypervisor/shadow/counters.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>
#include <tuple>
#include <vector>

namespace shadowtune::shadow {
namespace {

using link::Access;
using Key = std::tuple<std::uint16_t, std::uint8_t, std::uint8_t>; // encoding, access, reason

// The record is packed: its members are copied before anything takes their address.
[[nodiscard]] Key key_of(const link::CounterRecord& record) {
    return {std::uint16_t{record.encoding}, std::uint8_t{record.access}, std::uint8_t{record.reason}};
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

} // namespace
} // namespace shadowtune::shadow
