// From the wire's counters to the store's.

#include "profiler/convert.hpp"

#include <gtest/gtest.h>

namespace shadowtune::profiler {
namespace {

using link::Counted;

[[nodiscard]] db::VcpuSnapshot converted(std::vector<link::Counter> counters) {
    link::Snapshot snapshot{};
    snapshot.vcpus.resize(1);
    snapshot.vcpus[0].counters = std::move(counters);
    return snapshot_of(snapshot, {}).vcpus.at(0);
}

TEST(Convert, PutsEachCounterInItsPlace) {
    const db::VcpuSnapshot out{converted({{0, Counted::sampled_round_trips, 10, 3},
                                          {0, Counted::round_trips, 10, 99},
                                          {0, Counted::switches, 12, 34},
                                          {0x2011, Counted::reads, 10, 20},
                                          {0x2011, Counted::memory_reads, 10, 5},
                                          {0x681E, Counted::sampled_writes, 10, 6},
                                          {0x681E, Counted::squared_writes, 10, 12},
                                          {0x681E, Counted::changed, 10, 7},
                                          {0x681E, Counted::other, 12, 17},
                                          {0x681C, Counted::changed, 10, 0}})};
    EXPECT_EQ(out.round_trips_by_reason[10], 99U);
    EXPECT_EQ(out.sampled_round_trips_by_reason[10], 3U);
    ASSERT_EQ(out.accesses.size(), 1U);
    EXPECT_EQ(out.accesses[0].encoding, 0x2011);
    EXPECT_EQ(out.accesses[0].count, 20U);
    EXPECT_EQ(out.accesses[0].in_memory, 5U);
    ASSERT_EQ(out.sampled.size(), 1U);
    EXPECT_EQ(out.sampled[0].access, db::Access::write);
    EXPECT_EQ(out.sampled[0].squares, 12U);
    ASSERT_EQ(out.changes.size(), 3U) << "what is 0 is left out";
    EXPECT_EQ(out.changes[0].change, db::Change::of_vmcs);
    EXPECT_EQ(out.changes[0].encoding, 0);
    EXPECT_EQ(out.changes[0].reason, 12);
    EXPECT_EQ(out.changes[0].count, 34U);
    EXPECT_EQ(out.changes[1].change, db::Change::at_exit);
    EXPECT_EQ(out.changes[1].encoding, 0x681E);
    EXPECT_EQ(out.changes[1].count, 7U);
    EXPECT_EQ(out.changes[2].change, db::Change::at_switch);
    EXPECT_EQ(out.changes[2].count, 17U);
}

} // namespace
} // namespace shadowtune::profiler
