// `tune --phase`: the real program on a recording with a boot in front.

#include "db/recording_writer.hpp"
#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using test::run_program;
using Json = nlohmann::json;
using vmcs::Field;

// Snapshots 1 to 7 boot a guest, which reads CR0; 7 to 31 are steady work, which writes RSP.
void write_recording(const std::filesystem::path& path) {
    auto database{db::Database::open(path, db::OpenMode::append)};
    ASSERT_TRUE(database.ok());
    auto writer{
        db::RecordingWriter::begin(database.value(), test::sample_machine(), test::sample_labels(), 1)};
    ASSERT_TRUE(writer.ok());
    std::uint64_t boot{0};
    std::uint64_t steady{0};
    for (int i{0}; i < 31; ++i) {
        (i < 7 ? boot : steady) += 1000;
        db::Snapshot snapshot{};
        snapshot.vcpus.resize(1);
        db::VcpuSnapshot& vcpu{snapshot.vcpus[0]};
        const auto add{[&vcpu](Field field, db::Access access, std::uint64_t count) {
            if (count != 0) vcpu.accesses.push_back({vmcs::encoding_of(field), access, 10, count});
        }};
        vcpu.counters.round_trips = vcpu.round_trips_by_reason[10] = boot + steady;
        add(Field::guest_rip, db::Access::read, boot + steady);
        add(Field::guest_cr0, db::Access::read, boot * 2);
        add(Field::guest_rsp, db::Access::write, steady);
        ASSERT_TRUE(writer.value().add_snapshot(snapshot).ok());
    }
}

class TunePhase : public ::testing::Test {
protected:
    void SetUp() override { write_recording(m_folder / "a.db"); }

    [[nodiscard]] test::Outcome tune(const std::vector<std::string>& more) {
        std::vector<std::string> words{"tune", (m_folder / "a.db").string(), "-o", m_profile};
        words.insert(words.end(), more.begin(), more.end());
        return run_program(words);
    }
    // The profile's hot set, and its one recording.
    [[nodiscard]] std::vector<std::string> hot_set() {
        const Json profile(Json::parse(std::ifstream{m_profile}));
        m_recording = profile["made"]["recordings"][0];
        std::vector<std::string> names{};
        for (const auto& field : profile["fields"])
            names.push_back(field["field"]);
        return names;
    }

    test::TemporaryFolder m_folder;
    std::string m_profile{(m_folder / "p.json").string()};
    Json m_recording;
};

TEST_F(TunePhase, SteadyUnlessToldOtherwise) {
    const auto outcome{tune({})};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(hot_set(), (std::vector<std::string>{"guest_rsp", "guest_rip"}));
    EXPECT_EQ(m_recording["phase"], "steady");
    EXPECT_EQ(m_recording["from_snapshot"], 7);
    EXPECT_EQ(m_recording["to_snapshot"], 31);
    EXPECT_EQ(m_recording["round_trips"], 24000);
    EXPECT_NE(outcome.out.find("7:31"), std::string::npos) << outcome.out;

    ASSERT_EQ(tune({"--phase", "boot"}).code, 0);
    EXPECT_EQ(hot_set(), (std::vector<std::string>{"guest_cr0", "guest_rip"}));
    EXPECT_EQ(m_recording["to_snapshot"], 7);

    ASSERT_EQ(tune({"--phase", "all"}).code, 0);
    EXPECT_EQ(hot_set().size(), 3U);
    EXPECT_EQ(m_recording["phase"], "all");
}

TEST_F(TunePhase, SnapshotsAreTheUsersChoice) {
    ASSERT_EQ(tune({"--snapshots", "1:31"}).code, 0);
    EXPECT_EQ(hot_set().size(), 3U);
    ASSERT_EQ(tune({"--snapshots", "1:31", "--phase", "steady"}).code, 0);
    EXPECT_EQ(hot_set().size(), 2U);
    const auto none{tune({"--snapshots", "10:31", "--phase", "boot"})};
    EXPECT_EQ(none.code, 3);
    EXPECT_NE(none.err.find("no boot phase"), std::string::npos) << none.err;
}

TEST_F(TunePhase, NotEnoughDataIsSaid) {
    const auto refused{tune({"--snapshots", "1:5", "--phase", "steady"})};
    EXPECT_EQ(refused.code, 3);
    EXPECT_NE(refused.err.find("not enough data"), std::string::npos) << refused.err;
    EXPECT_FALSE(std::filesystem::exists(m_profile));
    test::write_sample(m_folder / "short.db");
    const auto noted{run_program({"tune", (m_folder / "short.db").string(), "-o", m_profile})};
    EXPECT_EQ(noted.code, 0);
    EXPECT_NE(noted.err.find("not enough data"), std::string::npos) << noted.err;
    (void)hot_set();
    EXPECT_EQ(m_recording["phase"], "all");
}

} // namespace
} // namespace shadowtune
