// record, apply and status against the fake VMM: joined end to end, refusals, cuts and Ctrl-C.

#include "db/recording_reader.hpp"
#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/link/host/fake_vmm.hpp"
#include "tuner/profile_file.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <thread>

namespace shadowtune {
namespace {

using link::test::FakeOptions;
using link::test::FakeVmm;
using test::Outcome;
using test::Program;
using test::run_program;

class LinkVerbs : public ::testing::Test {
protected:
    void SetUp() override {
        m_link = (m_folder / "link").string();
        m_db = (m_folder / "a.db").string();
        m_profile = (m_folder / "p.json").string();
    }

    void save(const vmcs::ShadowSets& sets) {
        tuner::Profile profile{};
        profile.name = "test";
        profile.sets = sets;
        ASSERT_TRUE(tuner::save_profile(profile, m_profile).ok());
    }

    [[nodiscard]] db::RecordingInfo recorded() {
        auto database{db::Database::open(m_db, db::OpenMode::read)};
        EXPECT_TRUE(database.ok());
        auto reader{db::RecordingReader::open(database.value())};
        EXPECT_TRUE(reader.ok());
        return reader.value().info();
    }

    test::TemporaryFolder m_folder;
    std::string m_link;
    std::string m_db;
    std::string m_profile;
};

TEST_F(LinkVerbs, StatusShowsTheMachine) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const Outcome status{run_program({"status", "--link", m_link})};
    EXPECT_EQ(status.code, 0) << status.err;
    EXPECT_NE(status.out.find("Fake CPU"), std::string::npos);
    EXPECT_NE(status.out.find("Linux ?[31m6.1"), std::string::npos)
        << "control characters must not reach a terminal";
    EXPECT_NE(status.out.find("trap"), std::string::npos);
    const Outcome json{run_program({"status", "--link", m_link, "--format", "json"})};
    EXPECT_NE(json.out.find("\"mode\": \"trap\""), std::string::npos);
}

TEST_F(LinkVerbs, RecordForATime) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const Outcome outcome{run_program({"record", "--link", m_link, "--db", m_db, "--label", "work", "--mode",
                                       "trap", "--interval", "0.05", "--duration", "0.3"})};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const db::RecordingInfo info{recorded()};
    EXPECT_GE(info.snapshots, 2U);
    EXPECT_TRUE(info.ended_ms.has_value());
    EXPECT_EQ(info.labels.workload, "work");
    EXPECT_EQ(info.labels.l1_kind, "linux");
    EXPECT_EQ(info.labels.tool_version, SHADOWTUNE_VERSION);
    const Outcome report{run_program({"report", m_db, "--top", "3"})};
    EXPECT_EQ(report.code, 0) << report.err;
}

TEST_F(LinkVerbs, CtrlCEndsARecordingCleanly) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    for (const bool limited : {false, true}) {
        std::vector<std::string> arguments{"record", "--link", m_link, "--db", m_db, "--interval", "0.05"};
        if (limited) arguments.insert(arguments.end(), {"--duration", "600"});
        Program program{arguments};
        program.wait_for_error_output(); // the first snapshot's progress line
        program.send(SIGINT);
        const Outcome outcome{program.wait()};
        EXPECT_EQ(outcome.code, limited ? 130 : 0) << outcome.err;
        EXPECT_NE(outcome.out.find("Recording"), std::string::npos);
        EXPECT_TRUE(recorded().ended_ms.has_value());
    }
}

TEST_F(LinkVerbs, CtrlCWhileNobodyAnswers) {
    Program program{{"record", "--link", m_link, "--db", m_db}};
    std::this_thread::sleep_for(std::chrono::milliseconds{500});
    program.send(SIGINT);
    const Outcome outcome{program.wait()};
    EXPECT_EQ(outcome.code, 130) << outcome.err;
}

TEST_F(LinkVerbs, RecordUntilQuiet) {
    // The fake VMM's round trips grow with each snapshot: it is never quiet, so Ctrl-C comes too early.
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    Program program{{"record", "--link", m_link, "--db", m_db, "--interval", "0.05", "--until-quiet"}};
    program.wait_for_error_output();
    program.send(SIGINT);
    EXPECT_EQ(program.wait().code, 130);
}

TEST_F(LinkVerbs, RecordSoManyRoundTrips) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const Outcome outcome{
        run_program({"record", "--link", m_link, "--db", m_db, "--interval", "0.05", "--round-trips", "5"})};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(recorded().ended_ms.has_value());
    auto database{db::Database::open(m_db, db::OpenMode::read)};
    ASSERT_TRUE(database);
    const auto reader{db::RecordingReader::open(database.value())};
    ASSERT_TRUE(reader);
    const auto totals{reader.value().totals(reader.value().whole().value())};
    ASSERT_TRUE(totals);
    EXPECT_GE(totals.value().counters.round_trips, 5U);
}

TEST_F(LinkVerbs, RecordSaysWhenL1WasStopped) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    vmm.stop_l1();
    const Outcome outcome{run_program({"record", "--link", m_link, "--db", m_db})};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("L0 stopped L1"), std::string::npos);
}

TEST_F(LinkVerbs, NobodyThere) {
    for (const char* verb : {"status", "record", "apply"}) {
        std::vector<std::string> arguments{verb, "--link", m_link, "--timeout", "0.5"};
        if (std::string{verb} == "record") arguments.insert(arguments.end(), {"--db", m_db});
        if (std::string{verb} == "apply") {
            save({});
            arguments.push_back(m_profile);
        }
        const Outcome outcome{run_program(arguments)};
        EXPECT_EQ(outcome.code, 4) << verb << outcome.err;
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    }
}

TEST_F(LinkVerbs, RecordIntoABadFile) {
    const Outcome outcome{run_program({"record", "--link", m_link, "--db", (m_folder / "no/a.db").string()})};
    EXPECT_EQ(outcome.code, 7) << outcome.err;
    tuner::Profile profile{};
    save({});
    EXPECT_EQ(run_program({"record", "--link", m_link, "--db", m_profile}).code, 3);
}

TEST_F(LinkVerbs, ApplyTellsTheGeneration) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    save({});
    const Outcome outcome{run_program({"apply", m_profile, "--link", m_link})};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("Generation  " + std::to_string(vmm.generation())), std::string::npos)
        << outcome.out;
    EXPECT_EQ(vmm.mode(), link::Mode::tuned);
}

TEST_F(LinkVerbs, ApplyChecksTheMachineFirst) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    vmcs::ShadowSets sets{};
    sets.read.set(vmcs::Field::exit_reason);
    sets.write.set(vmcs::Field::exit_reason); // the fake VMM offers no IA32_VMX_MISC[29]
    save(sets);
    const Outcome outcome{run_program({"apply", m_profile, "--link", m_link})};
    EXPECT_EQ(outcome.code, 5) << outcome.err;
    EXPECT_NE(outcome.err.find("exit_reason"), std::string::npos) << outcome.err;
    EXPECT_EQ(vmm.generation(), 0U);
}

TEST_F(LinkVerbs, RefusalOfL0) {
    FakeOptions options{};
    options.refuse = link::CommandStatus::profile_rejected;
    FakeVmm vmm{options};
    vmm.listen_unix(m_link);
    save({});
    const Outcome outcome{run_program({"apply", m_profile, "--link", m_link})};
    EXPECT_EQ(outcome.code, 5) << outcome.err;
    EXPECT_NE(outcome.err.find("refused the profile"), std::string::npos) << outcome.err;
    EXPECT_EQ(run_program({"record", "--link", m_link, "--db", m_db, "--mode", "tuned"}).code, 5);
}

TEST_F(LinkVerbs, ApplyNeedsAGoodProfile) {
    EXPECT_EQ(run_program({"apply", (m_folder / "none.json").string(), "--link", m_link}).code, 3);
    EXPECT_EQ(run_program({"status", "--link", "tcp:nowhere"}).code, 2);
}

} // namespace
} // namespace shadowtune
