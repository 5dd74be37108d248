// autotune against the fake VMM, whose counters follow nobody's bitmaps: what it says, what it refuses, and
// what it leaves behind. That it tunes well is for the lab to show.

#include "db/decisions.hpp"
#include "link/host/session.hpp"
#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/link/host/fake_vmm.hpp"
#include "tuner/profile_file.hpp"

#include <csignal>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using link::test::FakeOptions;
using link::test::FakeVmm;
using test::Outcome;
using test::Program;
using test::run_program;

class Autotune : public ::testing::Test {
protected:
    void SetUp() override {
        m_link = (m_folder / "link").string();
        m_db = (m_folder / "a.db").string();
    }

    [[nodiscard]] std::vector<std::string> arguments(const std::vector<std::string>& more) const {
        std::vector<std::string> all{"autotune", "--link", m_link, "--db", m_db, "--interval", "0.02"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    [[nodiscard]] std::vector<db::Decision> decisions() {
        auto database{db::Database::open(m_db, db::OpenMode::read)};
        EXPECT_TRUE(database.ok());
        const auto read{db::read_decisions(database.value(), 1)};
        EXPECT_TRUE(read.ok());
        return read.value();
    }

    test::TemporaryFolder m_folder;
    std::string m_link;
    std::string m_db;
};

TEST_F(Autotune, BeginsInModeTrapAndWritesItDown) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const Outcome outcome{run_program(arguments({"--duration", "0.3"}))};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    ASSERT_FALSE(decisions().empty());
    EXPECT_EQ(decisions()[0].action, "start");
    EXPECT_NE(outcome.out.find(" start "), std::string::npos);
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << "control characters must not reach a terminal";
}

TEST_F(Autotune, ADryRunWantsToSeeSomething) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    auto session{link::Session::open(m_link)};
    ASSERT_TRUE(session.ok());
    ASSERT_TRUE(session.value()->set_mode(link::Mode::tuned).ok());
    session.value().reset();
    const Outcome outcome{run_program(arguments({"--dry-run", "--duration", "1"}))};
    EXPECT_EQ(outcome.code, 5);
    EXPECT_NE(outcome.err.find("--dry-run"), std::string::npos) << outcome.err;
}

TEST_F(Autotune, ADryRunChangesNothing) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const Outcome outcome{run_program(arguments({"--dry-run", "--duration", "0.3"}))};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    for (const db::Decision& decision : decisions())
        EXPECT_NE(decision.action, "retune");
    const Outcome status{run_program({"status", "--link", m_link, "--format", "json"})};
    EXPECT_NE(status.out.find("\"generation\": 0"), std::string::npos) << status.out;
}

TEST_F(Autotune, RefusalOfL0EndsIt) {
    FakeOptions options{};
    options.refuse = link::CommandStatus::l1_stopped;
    FakeVmm vmm{options};
    vmm.listen_unix(m_link);
    EXPECT_EQ(run_program(arguments({"--duration", "1"})).code, 5);
}

TEST_F(Autotune, ItsBudgetIsChecked) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const Outcome outcome{run_program(arguments({"--budget", "0", "--duration", "1"}))};
    EXPECT_EQ(outcome.code, 2) << outcome.err;
}

TEST_F(Autotune, CtrlCLeavesTheProfile) {
    FakeVmm vmm{{}};
    vmm.listen_unix(m_link);
    const std::string output{(m_folder / "last.json").string()};
    Program program{arguments({"-o", output})};
    // Its log grows from the first snapshot on.
    for (int i{0}; i < 200 && !std::filesystem::exists(m_db + "-wal"); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    program.send(SIGINT);
    const Outcome outcome{program.wait()};
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(tuner::load_profile(output).ok());
}

} // namespace
} // namespace shadowtune
