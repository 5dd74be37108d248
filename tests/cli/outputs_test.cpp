// Where results go: what must not be lost is kept, and what cannot be written is told by its exit code.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using test::Outcome;
using test::run_program;

[[nodiscard]] std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

class Outputs : public ::testing::Test {
protected:
    void SetUp() override {
        test::write_sample(m_db);
        test::write_sample(m_db, db::Mode::tuned);
        ASSERT_EQ(run_program({"tune", m_db + ":1", "-o", m_profile, "--name", "sample"}).code, 0);
    }

    test::TemporaryFolder m_folder;
    std::string m_db{(m_folder / "a.db").string()};
    std::string m_profile{(m_folder / "p.json").string()};
};

TEST_F(Outputs, RecordingsAreNeverReplaced) {
    const std::string before{contents(m_db)};
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"tune", m_db + ":1", "-o", m_db},
                                               {"export", m_profile, "-o", m_db},
                                               {"export", m_db, "--recording", "1", "-o", m_db},
                                               {"import", m_profile, "-o", m_db},
                                               {"compare", "--before", m_db + ":1", "--after", m_db + ":2",
                                                "--profile", m_profile, "--json", m_db},
                                               {"autotune", "--link", "/none", "--db", m_db, "-o", m_db},
                                               {"save", m_db, "--link", "/none"}}) {
        const Outcome outcome{run_program(words)};
        EXPECT_EQ(outcome.code, 7) << words[0] << outcome.err;
        EXPECT_EQ(outcome.out, "") << words[0];
        EXPECT_NE(outcome.err.find(m_db + ": a database is there"), std::string::npos) << outcome.err;
        EXPECT_EQ(contents(m_db), before) << words[0];
    }
}

TEST_F(Outputs, ALinkIsFollowed) {
    const std::string link{(m_folder / "link.json").string()};
    std::filesystem::create_symlink("p.json", link);
    ASSERT_EQ(run_program({"tune", m_db + ":1", "-o", link, "--name", "other"}).code, 0);
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    EXPECT_EQ(nlohmann::json::parse(contents(m_profile))["name"], "other");
}

TEST_F(Outputs, AFullDiskIsToldHoweverLongTheText) {
    const std::vector<std::string> pages{"export", m_profile, "--format", "pages"};
    ASSERT_GT(run_program(pages).out.size(), 5000U); // more than what is written at once
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{pages, {"report", m_db}, {"tune", "--help"}}) {
        const Outcome outcome{test::Program{words, "/dev/full"}.wait()};
        EXPECT_EQ(outcome.code, 7) << words[0];
        EXPECT_EQ(outcome.err, "shadowtune: standard output cannot be written; free space on the disk, or "
                               "redirect elsewhere\n");
    }
}

TEST_F(Outputs, AFolderThatIsNotThereIsNotBadInput) {
    const std::string none{(m_folder / "no/such.db").string()};
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"calibrate", "--host", "--db", none}, {"record", "--link", "/none", "--db", none}}) {
        const Outcome outcome{run_program(words)};
        EXPECT_EQ(outcome.code, 7) << words[0] << outcome.err;
        EXPECT_NE(outcome.err.find("its folder does not exist"), std::string::npos) << outcome.err;
    }
}

TEST_F(Outputs, ProfilesAreNamedByWholeCharacters) {
    std::string stem{};
    for (int i{0}; i < 18; ++i)
        stem += "\u00e4";
    const auto expect_name{[&](const Outcome& outcome, const std::string& file) {
        ASSERT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_EQ(nlohmann::json::parse(contents(file))["name"], stem.substr(0, 30));
    }};
    const std::string file{(m_folder / (stem + ".json")).string()};
    expect_name(run_program({"tune", m_db + ":1", "-o", file}), file);
    const std::string csv{(m_folder / (stem + ".csv")).string()};
    ASSERT_EQ(run_program({"export", m_profile, "--format", "csv", "-o", csv}).code, 0);
    expect_name(run_program({"import", csv, "-o", m_profile}), m_profile);
}

} // namespace
} // namespace shadowtune
