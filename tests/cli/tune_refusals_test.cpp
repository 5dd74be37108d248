// `tune` makes no profile out of nothing: each input that says too little is told, and no file is written.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <fstream>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using test::run_program;

class TuneRefusals : public ::testing::Test {
protected:
    // A recording of these snapshots, each the round trips and the reads of RIP up to it.
    struct Counts {
        std::uint64_t round_trips;
        std::uint64_t reads;
    };
    [[nodiscard]] std::string record(const std::vector<Counts>& snapshots) {
        const std::string file{(m_folder / "a.db").string()};
        auto database{db::Database::open(file, db::OpenMode::append)};
        auto writer{db::RecordingWriter::begin(database.value(), test::sample_machine(), {}, 1)};
        for (const auto& [round_trips, reads] : snapshots) {
            db::Snapshot snapshot{};
            snapshot.vcpus.resize(1);
            db::VcpuSnapshot& vcpu{snapshot.vcpus[0]};
            vcpu.counters.round_trips = vcpu.round_trips_by_reason[10] = round_trips;
            vcpu.accesses.push_back({vmcs::encoding_of(vmcs::Field::guest_rip), db::Access::read, 10, reads});
            EXPECT_TRUE(writer.value().add_snapshot(snapshot).ok());
        }
        return file;
    }

    void change(const std::string& file, const std::string& sql) {
        auto database{db::Database::open(file, db::OpenMode::append)};
        const auto done{database.value().connection().execute(sql)};
        ASSERT_TRUE(done.ok()) << done.error().message;
    }

    void expect_refused(const std::string& file, const std::string& says,
                        std::vector<std::string> more = {}) {
        std::vector<std::string> words{"tune", file, "-o", (m_folder / "p.json").string()};
        words.insert(words.end(), more.begin(), more.end());
        const auto outcome{run_program(words)};
        EXPECT_EQ(outcome.code, 3) << outcome.err;
        EXPECT_NE(outcome.err.find(says), std::string::npos) << outcome.err;
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
        EXPECT_FALSE(std::filesystem::exists(m_folder / "p.json"));
    }

    test::TemporaryFolder m_folder;
};

TEST_F(TuneRefusals, AGoodOneIsTaken) {
    const std::string file{record({{0, 0}, {1000, 1000}})};
    EXPECT_EQ(run_program({"tune", file, "-o", (m_folder / "p.json").string()}).code, 0);
}

TEST_F(TuneRefusals, NoSnapshotsOrOne) {
    expect_refused(record({}), "0 snapshots, and rates need two");
    std::filesystem::remove(m_folder / "a.db");
    expect_refused(record({{1000, 1000}}), "1 snapshots, and rates need two");
}

TEST_F(TuneRefusals, NoRoundTrips) {
    expect_refused(record({{1000, 1000}, {1000, 2000}}), "no round trip");
}

TEST_F(TuneRefusals, NoAccess) {
    expect_refused(record({{1000, 1000}, {9000, 1000}}), "not enough data: no access in 8000 round trips");
}

TEST_F(TuneRefusals, EmptyOrTruncatedFiles) {
    std::ofstream{m_folder / "empty.db"};
    expect_refused((m_folder / "empty.db").string(), "is empty");
    const std::string file{record({{0, 0}, {1000, 1000}})};
    std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
    expect_refused(file, "damaged");
}

TEST_F(TuneRefusals, AnotherVersion) {
    const std::string file{record({{0, 0}, {1000, 1000}})};
    change(file, "UPDATE access_count SET encoding = 0x7FE"); // a field of another catalogue
    expect_refused(file, "unknown field");
    change(file, "PRAGMA user_version = 99");
    expect_refused(file, "newer shadowtune");
}

TEST_F(TuneRefusals, OneRecordingWithoutDataSpoilsTheMean) {
    const std::string file{record({{1000, 1000}, {9000, 1000}})};
    test::write_sample(m_folder / "good.db");
    expect_refused((m_folder / "good.db").string(), "no access", {file});
}

} // namespace
} // namespace shadowtune
