// report --generations: what bitmaps were predicted to do beside what they did.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using test::Outcome;
using test::run_program;
using Json = nlohmann::json;

// The sample's L1 in mode trap for 20 rounds of ten round trips, and from then on under these bitmaps, which
// leave what tuned_profile() leaves.
[[nodiscard]] db::Snapshot tuned_after(std::uint64_t rounds, std::uint32_t generation) {
    db::Snapshot snapshot{test::sample_snapshot(20)};
    db::VcpuSnapshot& vcpu{snapshot.vcpus[0]};
    const std::uint64_t more{rounds - 20};
    vcpu.mode = db::Mode::tuned;
    vcpu.generation = generation;
    vcpu.counters.round_trips += more * 10;
    vcpu.counters.round_trip_ticks += more * 90'000;
    vcpu.counters.l0_ticks += more * 15'000;
    vcpu.counters.sync_reads += more * 20;
    vcpu.counters.sync_writes += more * 60;
    vcpu.round_trips_by_reason[10] += more * 4;
    vcpu.round_trips_by_reason[30] += more * 6;
    for (db::AccessCount& access : vcpu.accesses) {
        if (vmcs::find(access.encoding) == vmcs::index_of(vmcs::Field::ept_pointer) &&
            access.access == db::Access::write)
            access.count += more;
    }
    return snapshot;
}

class Generations : public ::testing::Test {
protected:
    void SetUp() override {
        m_db = (m_folder / "a.db").string();
        auto database{db::Database::open(m_db, db::OpenMode::append)};
        ASSERT_TRUE(database.ok());
        auto writer{db::RecordingWriter::begin(database.value(), test::sample_machine(), {}, 1)};
        ASSERT_TRUE(writer.ok());
        ASSERT_TRUE(writer.value().generation({1, db::Mode::trap, 0, "", {}}, 1).ok());
        ASSERT_TRUE(
            writer.value().generation({2, db::Mode::tuned, 0, "ours", test::tuned_profile()}, 2).ok());
        ASSERT_TRUE(writer.value().generation({3, db::Mode::tuned, 0, "theirs", {}}, 3).ok());
        for (const auto& snapshot : {test::sample_snapshot(10), test::sample_snapshot(20), tuned_after(25, 2),
                                     tuned_after(125, 2), tuned_after(130, 3), tuned_after(230, 3)})
            ASSERT_TRUE(writer.value().add_snapshot(snapshot).ok());
    }

    test::TemporaryFolder m_folder;
    std::string m_db;
};

TEST_F(Generations, PredictedAndMeasuredSideBySide) {
    const Outcome outcome{run_program({"report", m_db, "--generations", "--format", "json"})};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json rows(Json::parse(outcome.out).at("generations"));
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].at("mode"), "trap");
    EXPECT_DOUBLE_EQ(rows[0].at("trapped").get<double>(),
                     rows[0].at("predicted").at("trapped").get<double>());
    EXPECT_EQ(rows[1].at("profile"), "ours");
    EXPECT_EQ(rows[1].at("round_trips"), 1'000);
    EXPECT_DOUBLE_EQ(rows[1].at("trapped"), 0.1);
    EXPECT_DOUBLE_EQ(rows[1].at("predicted").at("trapped"), 0.1);
    EXPECT_DOUBLE_EQ(rows[1].at("copies"), 8);
    EXPECT_DOUBLE_EQ(rows[1].at("predicted").at("copies"), 8);
    EXPECT_DOUBLE_EQ(rows[1].at("ticks"), 9'000);
    // Which fields it shadows nobody knows.
    EXPECT_FALSE(rows[2].contains("predicted"));
    EXPECT_TRUE(rows[2].at("fields_read").is_null());
    EXPECT_TRUE(rows[2].at("fields_written").is_null());
    EXPECT_EQ(rows[0].at("fields_read"), 0);
    EXPECT_DOUBLE_EQ(rows[2].at("trapped"), 0.1);
}

TEST_F(Generations, ForPeopleAndSpreadsheets) {
    const Outcome table{run_program({"report", m_db, "--generations"})};
    EXPECT_EQ(table.code, 0) << table.err;
    EXPECT_NE(table.out.find("ours"), std::string::npos);
    const Outcome csv{run_program({"report", m_db, "--generations", "--format", "csv"})};
    EXPECT_NE(csv.out.find("2,tuned,0,ours,6,2,3,4,1000,0.100000,0.100000,8,8.0000,9000.000,1500.000"),
              std::string::npos)
        << csv.out;
    EXPECT_NE(csv.out.find("\n3,tuned,0,theirs,,,5,6,1000,"), std::string::npos) << csv.out;
    EXPECT_NE(table.out.find("theirs   -  -"), std::string::npos) << table.out;
}

TEST_F(Generations, NothingMeasuredIsSaid) {
    const std::string db{(m_folder / "b.db").string()};
    auto database{db::Database::open(db, db::OpenMode::append)};
    ASSERT_TRUE(database.ok());
    auto writer{db::RecordingWriter::begin(database.value(), test::sample_machine(), {}, 1)};
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer.value().generation({1, db::Mode::trap, 0, "", {}}, 1).ok());
    ASSERT_TRUE(writer.value().add_snapshot(test::sample_snapshot(10)).ok());
    const Outcome outcome{run_program({"report", db, "--generations"})};
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.err.find("no round trip"), std::string::npos) << outcome.err;
}

} // namespace
} // namespace shadowtune
