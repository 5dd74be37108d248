// Options that say nothing, too much, or two things: one short line, and the exit code of a wrong usage.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using test::Outcome;
using test::run_program;

class Refusals : public ::testing::Test {
protected:
    void SetUp() override { test::write_sample(m_db); }

    static void expect_usage(const std::vector<std::string>& words, const std::string& says) {
        const Outcome outcome{run_program(words)};
        EXPECT_EQ(outcome.code, 2) << words[0] << outcome.err;
        EXPECT_EQ(outcome.out, "");
        EXPECT_NE(outcome.err.find(says), std::string::npos) << outcome.err;
        EXPECT_LT(outcome.err.size(), 200U) << outcome.err;
    }

    test::TemporaryFolder m_folder;
    std::string m_db{(m_folder / "a.db").string()};
    std::string m_profile{(m_folder / "p.json").string()};
};

TEST_F(Refusals, NumbersThatAreNone) {
    const std::string above_zero{"give a number above 0"};
    for (const std::string number : {"nan", "-nan", "inf", "-inf", "1e999", "0", "-1", "x", "1x"}) {
        expect_usage({"tune", m_db, "-o", m_profile, "--weight=" + number}, "--weight: " + above_zero);
        expect_usage({"report", m_db, "--recording=" + number}, "--recording: " + above_zero);
        expect_usage({"report", m_db, "--top=" + number}, "--top: " + above_zero);
        expect_usage({"record", "--link", "/x", "--db", m_db, "--round-trips=" + number},
                     "--round-trips: " + above_zero);
        expect_usage({"diff", m_db, m_db, "--level=" + number}, "--level: give a number from 1e-12 to 0.5");
        expect_usage({"status", "--link", "/x", "--timeout=" + number},
                     "--timeout: give a number from 0.1 to 86400");
    }
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"simulate", m_db, "--recording"},
                                               {"export", m_db, "--recording"},
                                               {"identify", m_db, "--recording"},
                                               {"tune", m_db, "-o", m_profile, "--recording"},
                                               {"identify", "--link", "/x", "--wait"},
                                               {"apply", "p", "--link", "/x", "--measure-for"},
                                               {"record", "--link", "/x", "--db", m_db, "--interval"},
                                               {"record", "--link", "/x", "--db", m_db, "--duration"},
                                               {"record", "--link", "/x", "--db", m_db, "--until-quiet"},
                                               {"autotune", "--link", "/x", "--db", m_db, "--interval"},
                                               {"autotune", "--link", "/x", "--db", m_db, "--sample"},
                                               {"autotune", "--link", "/x", "--db", m_db, "--duration"},
                                               {"calibrate", "--lab", "--db", m_db, "--rounds"}}) {
        std::vector<std::string> nan{words};
        nan.back() += "=nan";
        expect_usage(nan, words.back() + ": give a number ");
    }
    EXPECT_FALSE(std::filesystem::exists(m_profile));
}

TEST_F(Refusals, WeightsOfAnySizeAreTaken) {
    const Outcome tuned{run_program(
        {"tune", m_db, m_db, "--weight", "1e308", "--weight", "1e308", "-o", m_profile, "--phase", "all"})};
    EXPECT_EQ(tuned.code, 0) << tuned.err;
    EXPECT_EQ(tuned.out.find("nan"), std::string::npos) << tuned.out;
    EXPECT_EQ(run_program({"export", m_profile}).code, 0);
}

TEST_F(Refusals, ARecordingIsNamedOnce) {
    const std::string says{m_db + ":1: names a recording, and --recording 1 too"};
    expect_usage({"tune", m_db + ":1", "--recording", "1", "-o", m_profile}, says);
    expect_usage({"identify", m_db + ":1", "--recording", "1"}, says);
}

// What may be repeated takes one word each time, and leaves the file its own.
TEST_F(Refusals, FilesStandAnywhere) {
    const Outcome tuned{run_program({"tune", "-o", m_profile, "--weight", "1", "--budget", "10%", m_db})};
    ASSERT_EQ(tuned.code, 0) << tuned.err;
    const Outcome outcome{run_program({"simulate", "--profile", m_profile, "--list", "kvm", m_db, "--list",
                                       "none", "--profile", m_profile, "--format", "json"})};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["per_round_trip"].size(), 5U);
}

TEST_F(Refusals, SnapshotsAreAdvisedWhereTheVerbHasThem) {
    test::write_sample(m_db, db::Mode::tuned);
    EXPECT_NE(run_program({"simulate", m_db}).err.find("or choose --snapshots"), std::string::npos);
    EXPECT_EQ(run_program({"diff", m_db, m_db}).err.find("--snapshots"), std::string::npos);
}

} // namespace
} // namespace shadowtune
