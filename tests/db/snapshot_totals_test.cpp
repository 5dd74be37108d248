// Two snapshots at hand say the same as the recording that has them.

#include "db/snapshot_totals.hpp"
#include "tests/db/sample_recording.hpp"

#include <gtest/gtest.h>

namespace shadowtune {
namespace {

void expect_equal(const db::Totals& a, const db::Totals& b) {
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        EXPECT_EQ(a.fields[i].reads, b.fields[i].reads) << vmcs::catalogue[i].symbol;
        EXPECT_EQ(a.fields[i].writes, b.fields[i].writes) << vmcs::catalogue[i].symbol;
        EXPECT_EQ(a.fields[i].outside, b.fields[i].outside) << vmcs::catalogue[i].symbol;
    }
    EXPECT_EQ(a.round_trips_by_reason, b.round_trips_by_reason);
    EXPECT_EQ(a.sampled_round_trips_by_reason, b.sampled_round_trips_by_reason);
    EXPECT_EQ(a.sampled_round_trips, b.sampled_round_trips);
    ASSERT_EQ(a.accesses.size(), b.accesses.size());
    std::uint64_t in_memory{0};
    for (std::size_t i{0}; i < a.accesses.size(); ++i) {
        EXPECT_EQ(a.accesses[i].in_memory, b.accesses[i].in_memory);
        in_memory += a.accesses[i].in_memory;
    }
    EXPECT_GT(in_memory, 0U);
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        EXPECT_EQ(a.changes[i].at_exit, b.changes[i].at_exit) << vmcs::catalogue[i].symbol;
        EXPECT_EQ(a.changes[i].at_switch, b.changes[i].at_switch) << vmcs::catalogue[i].symbol;
    }
    EXPECT_GT(a.changes[vmcs::index_of(vmcs::Field::guest_rip)].at_exit, 0U);
    EXPECT_EQ(a.switches, b.switches);
    ASSERT_EQ(a.sampled.size(), b.sampled.size());
    const auto sum{[](const db::Totals& totals) {
        std::uint64_t squares{0};
        for (const auto& sampled : totals.sampled)
            squares += sampled.squares;
        return squares;
    }};
    EXPECT_EQ(sum(a), sum(b));
    for (const auto member : db::counter_members)
        EXPECT_EQ(a.counters.*member, b.counters.*member);
    EXPECT_EQ(a.reads, b.reads);
    EXPECT_EQ(a.writes, b.writes);
    EXPECT_EQ(a.outside, b.outside);
    EXPECT_EQ(a.all_trap, b.all_trap);
    EXPECT_EQ(a.first_generation, b.first_generation);
    EXPECT_EQ(a.generation, b.generation);
}

TEST(SnapshotTotals, AgreeWithTheRecording) {
    for (const db::Mode mode : {db::Mode::trap, db::Mode::tuned, db::Mode::sample}) {
        const test::TemporaryFolder folder{};
        test::write_sample(folder / "a.db", mode);
        auto database{db::Database::open(folder / "a.db", db::OpenMode::read)};
        ASSERT_TRUE(database.ok());
        const auto reader{db::RecordingReader::open(database.value())};
        ASSERT_TRUE(reader.ok());
        const auto recorded{reader.value().totals({1, 3})};
        ASSERT_TRUE(recorded.ok());
        expect_equal(db::totals_between(test::sample_snapshot(10, mode), test::sample_snapshot(110, mode)),
                     recorded.value());
    }
}

TEST(SnapshotTotals, AddProcessorsUp) {
    db::Snapshot earlier{test::sample_snapshot(10)};
    db::Snapshot later{test::sample_snapshot(30)};
    later.vcpus.push_back(test::sample_snapshot(5).vcpus[0]); // began later
    later.vcpus[1].vcpu = 1;
    const db::Totals totals{db::totals_between(earlier, later)};
    EXPECT_EQ(totals.counters.round_trips, 250U);
}

TEST(SnapshotTotals, ChangesAreThoseInRoundTrips) {
    const auto snapshot_of{[](std::uint64_t scale) {
        db::Snapshot snapshot{};
        snapshot.vcpus.resize(2);
        for (db::VcpuSnapshot& vcpu : snapshot.vcpus) {
            vcpu.changes = {{db::Change::of_vmcs, 0, 10, scale},
                            {db::Change::of_vmcs, 0, 12, scale * 2},
                            {db::Change::of_vmcs_once, 0, 12, scale},
                            {db::Change::at_switch, 0x681E, 10, scale * 17},
                            {db::Change::at_exit, 0x681E, 12, scale * 3},
                            {db::Change::at_exit, 0x681E, vmcs::no_round_trip, scale * 5}};
        }
        return snapshot;
    }};
    const db::Totals totals{db::totals_between(snapshot_of(3), snapshot_of(13))};
    EXPECT_EQ(totals.switches, 60U);
    EXPECT_EQ(totals.switched_round_trips, 20U);
    EXPECT_EQ(totals.changes[vmcs::find(0x681E)].at_switch, 340U);
    EXPECT_EQ(totals.changes[vmcs::find(0x681E)].at_exit, 60U);
    EXPECT_EQ(totals.changes[vmcs::find(0)].at_exit, 0U);
}

TEST(SnapshotTotals, AMissingGenerationMayHaveShadowed) {
    const db::Snapshot earlier{test::sample_snapshot(10)};
    db::Snapshot later{test::sample_snapshot(20)};
    EXPECT_TRUE(db::totals_between(earlier, later).all_trap);
    later.vcpus[0].generation = 2;
    EXPECT_TRUE(db::totals_between(earlier, later).all_trap);
    later.vcpus[0].generation = 3;
    EXPECT_FALSE(db::totals_between(earlier, later).all_trap);
}

TEST(SnapshotTotals, NothingBetweenASnapshotAndItself) {
    const db::Totals totals{db::totals_between(test::sample_snapshot(10, db::Mode::sample),
                                               test::sample_snapshot(10, db::Mode::sample))};
    EXPECT_TRUE(totals.accesses.empty());
    EXPECT_TRUE(totals.sampled.empty());
    EXPECT_EQ(totals.counters.round_trips, 0U);
}

} // namespace
} // namespace shadowtune
