// Complete snapshots: what is read from the middle of a recording is what was written, however it is read.

#include "db/recording_reader.hpp"
#include "db/recording_writer.hpp"
#include "tests/db/sample_recording.hpp"

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <random>

namespace shadowtune {
namespace {

using vmcs::Field;

// Counters that move at random, some seldom, and their true values at each snapshot.
class LongRecording : public ::testing::Test {
protected:
    static constexpr std::uint32_t length{3 * db::complete_snapshot_interval + 7};
    static constexpr Field fields[]{Field::guest_rip, Field::guest_rsp, Field::host_rsp, Field::exit_reason};

    void write(std::uint32_t snapshots) {
        auto database{db::Database::open(m_folder / "a.db", db::OpenMode::append)};
        ASSERT_TRUE(database.ok());
        auto writer{db::RecordingWriter::begin(database.value(), test::sample_machine(), {}, 1)};
        ASSERT_TRUE(writer.ok());
        std::mt19937_64 random{1};
        std::vector<std::uint64_t> counts(std::size(fields) * 2, 0);
        std::uint64_t trips{0};
        m_truth.assign(1, counts);
        m_trips.assign(1, 0);
        m_sampled.assign(1, {});
        for (std::uint32_t i{1}; i <= snapshots; ++i) {
            db::Snapshot snapshot{};
            snapshot.vcpus.resize(1);
            db::VcpuSnapshot& vcpu{snapshot.vcpus[0]};
            for (std::size_t c{0}; c < counts.size(); ++c) {
                // The last one never moves after the first snapshot.
                if (c + 1 == counts.size() ? i == 1 : random() % (c + 1) == 0)
                    counts[c] += random() % 100 + 1;
                const auto access{c % 2 == 0 ? db::Access::read : db::Access::write};
                const std::uint8_t reason{c == 2 ? vmcs::no_round_trip : std::uint8_t{10}};
                if (counts[c] != 0) {
                    vcpu.accesses.push_back({vmcs::encoding_of(fields[c / 2]), access, reason, counts[c]});
                }
            }
            // By one reason in each snapshot, by another in some.
            Sampled& sampled{m_sampled.emplace_back(m_sampled.back())};
            sampled.round_trips += random() % 10;
            for (std::size_t r{0}; r < std::size(reasons); ++r) {
                if (random() % (2 * r + 1) == 0) sampled.counts[r] += random() % 5;
                if (sampled.counts[r] != 0) {
                    vcpu.sampled.push_back({vmcs::encoding_of(Field::guest_rip), db::Access::read, reasons[r],
                                            sampled.counts[r], 3 * sampled.counts[r]});
                }
            }
            vcpu.sampled_round_trips_by_reason[10] = sampled.round_trips;
            trips += random() % 50;
            vcpu.counters.round_trips = vcpu.round_trips_by_reason[10] = trips;
            ASSERT_TRUE(writer.value().add_snapshot(snapshot).ok());
            m_truth.push_back(counts);
            m_trips.push_back(trips);
        }
    }

    void open() {
        auto database{db::Database::open(m_folder / "a.db", db::OpenMode::read)};
        ASSERT_TRUE(database.ok());
        m_database = std::make_unique<db::Database>(std::move(database).value());
        auto reader{db::RecordingReader::open(*m_database)};
        ASSERT_TRUE(reader.ok());
        m_reader = std::move(reader).value();
    }

    void expect_true(db::SnapshotRange range) {
        const auto totals{m_reader.totals(range)};
        ASSERT_TRUE(totals.ok()) << totals.error().message;
        for (std::size_t c{0}; c < std::size(fields) * 2; ++c) {
            const auto& field{totals.value().fields[vmcs::index_of(fields[c / 2])]};
            ASSERT_EQ(c % 2 == 0 ? field.reads : field.writes, m_truth[range.to][c] - m_truth[range.from][c])
                << range.from << " to " << range.to;
        }
        ASSERT_EQ(totals.value().round_trips_by_reason[10], m_trips[range.to] - m_trips[range.from]);
    }

    void expect_steps(std::size_t most, std::size_t count) {
        const auto steps{m_reader.steps({1, length}, most)};
        ASSERT_TRUE(steps.ok()) << steps.error().message;
        ASSERT_EQ(steps.value().size(), count) << most;
        std::uint32_t from{1};
        for (const db::Step& step : steps.value()) {
            ASSERT_EQ(step.range.from, from);
            from = step.range.to;
            ASSERT_EQ(step.round_trips, m_trips[step.range.to] - m_trips[step.range.from]);
            const Sampled& before{m_sampled[step.range.from]};
            const Sampled& after{m_sampled[step.range.to]};
            ASSERT_EQ(step.sampled_round_trips, after.round_trips - before.round_trips);
            std::array<std::uint64_t, std::size(reasons)> sampled{};
            for (const db::SampledTotal& of : step.sampled) {
                ASSERT_EQ(of.field, vmcs::index_of(Field::guest_rip));
                ASSERT_EQ(of.squares, 3 * of.count);
                sampled[of.reason == reasons[0] ? 0 : 1] = of.count;
            }
            for (std::size_t r{0}; r < std::size(reasons); ++r)
                ASSERT_EQ(sampled[r], after.counts[r] - before.counts[r]);
            for (std::size_t c{0}; c < std::size(fields) * 2; ++c) {
                const auto& counts{c % 2 == 0 ? step.reads : step.writes};
                // Field 1 is read outside of round trips only.
                const std::uint64_t truth{c == 2 ? 0
                                                 : m_truth[step.range.to][c] - m_truth[step.range.from][c]};
                ASSERT_EQ(counts[vmcs::index_of(fields[c / 2])], truth) << step.range.to;
            }
        }
        ASSERT_EQ(from, length);
    }

    test::TemporaryFolder m_folder;
    std::unique_ptr<db::Database> m_database;
    db::RecordingReader m_reader;
    std::vector<std::vector<std::uint64_t>> m_truth;
    std::vector<std::uint64_t> m_trips;
    static constexpr std::uint8_t reasons[]{10, 30};
    struct Sampled {
        std::uint64_t round_trips{0};
        std::array<std::uint64_t, std::size(reasons)> counts{};
    };
    std::vector<Sampled> m_sampled;
};

TEST_F(LongRecording, EveryRangeIsTrue) {
    write(length);
    open();
    ASSERT_EQ(m_database->connection().integer("SELECT sum(complete) FROM snapshot").value(), 4);
    std::mt19937_64 random{2};
    for (int i{0}; i < 100; ++i) {
        const auto from{static_cast<std::uint32_t>(random() % length)};
        expect_true({from, from + 1 + static_cast<std::uint32_t>(random() % (length - from))});
    }
    expect_true({0, length});
}

TEST_F(LongRecording, StepsAddUp) {
    write(length);
    open();
    expect_steps(length, length - 1); // each snapshot
    expect_steps(100, 99);            // too few complete ones: every second of all
    expect_steps(12, 4);              // the complete ones, and the end
    expect_steps(2, 2);
    expect_steps(1, 1);
}

// A file of version 1 has no complete snapshots but the first.
TEST_F(LongRecording, AFileOfVersion1IsReadAsWell) {
    write(length);
    {
        auto database{db::Database::open(m_folder / "a.db", db::OpenMode::append)};
        ASSERT_TRUE(database.value()
                        .connection()
                        .execute("UPDATE snapshot SET complete = 0 WHERE sequence > 1")
                        .ok());
    }
    open();
    expect_true({70, 150});
    expect_true({1, length});
    expect_steps(length, length - 1);
    expect_steps(12, 12);
}

// A snapshot that lacks a counter cannot stand for those before it.
TEST_F(LongRecording, OnlyWholeSnapshotsAreComplete) {
    auto database{db::Database::open(m_folder / "b.db", db::OpenMode::append)};
    auto writer{db::RecordingWriter::begin(database.value(), test::sample_machine(), {}, 1)};
    db::Snapshot snapshot{};
    snapshot.vcpus.resize(1);
    const db::AccessCount rip{vmcs::encoding_of(Field::guest_rip), db::Access::read, 10, 5};
    for (std::uint32_t i{0}; i <= db::complete_snapshot_interval; ++i) {
        snapshot.vcpus[0].accesses.clear();
        if (i < db::complete_snapshot_interval) snapshot.vcpus[0].accesses.push_back(rip);
        ASSERT_TRUE(writer.value().add_snapshot(snapshot).ok());
    }
    EXPECT_EQ(database.value().connection().integer("SELECT sum(complete) FROM snapshot").value(), 1);
}

TEST_F(LongRecording, TheStepsViewShowsChangesOnly) {
    write(length);
    open();
    EXPECT_EQ(
        m_database->connection()
            .integer("SELECT count(*) FROM access_step WHERE count = 0 OR field = 'exit_reason' AND access = "
                     "'write' AND sequence > 1")
            .value(),
        0);
    EXPECT_EQ(m_database->connection()
                  .integer("SELECT sum(count) FROM access_step WHERE field = 'guest_rip' AND access = 'read'")
                  .value(),
              static_cast<std::int64_t>(m_truth.back()[0]));
}

TEST_F(LongRecording, MomentsAreTheSnapshotsAskedFor) {
    write(5);
    open();
    const std::uint32_t asked[]{1, 4, 5, 6};
    const auto moments{m_reader.moments(asked)};
    ASSERT_TRUE(moments.ok()) << moments.error().message;
    ASSERT_EQ(moments.value().size(), 3U); // there is no sixth
    for (std::size_t i{0}; i < 3; ++i) {
        EXPECT_EQ(moments.value()[i].sequence, asked[i]);
        EXPECT_EQ(moments.value()[i].round_trips, m_trips[asked[i]]);
        EXPECT_TRUE(moments.value()[i].all_trap);
    }
}

} // namespace
} // namespace shadowtune
