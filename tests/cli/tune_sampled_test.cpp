// `report` and `tune` on a sampled recording: estimates with their intervals, and nothing concluded that they
// do not decide.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using test::run_program;
using Json = nlohmann::json;

class TuneSampled : public ::testing::Test {
protected:
    void SetUp() override { test::write_sample(m_folder / "a.db", db::Mode::sample); }

    [[nodiscard]] std::string file(const char* name) const { return (m_folder / name).string(); }
    [[nodiscard]] test::Outcome tune(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words{"tune", file("a.db"), "-o", file("p.json")};
        words.insert(words.end(), more.begin(), more.end());
        return run_program(words);
    }
    [[nodiscard]] static const Json* of_field(const Json& list, const std::string& field) {
        const auto found{std::find_if(list.begin(), list.end(),
                                      [&](const Json& entry) { return entry["field"] == field; })};
        return found == list.end() ? nullptr : &*found;
    }

    test::TemporaryFolder m_folder;
};

TEST_F(TuneSampled, ReportHasIntervals) {
    const auto outcome{run_program({"report", file("a.db"), "--format", "json"})};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json report(Json::parse(outcome.out));
    EXPECT_EQ(report["sampled_round_trips"], 100);
    const Json* rip{of_field(report["sampled"], "guest_rip")};
    ASSERT_NE(rip, nullptr);
    EXPECT_EQ((*rip)["reads_per_round_trip"], 1.0);
    EXPECT_LT((*rip)["reads_low"], 1.0);
    EXPECT_GT((*rip)["reads_low"], 0.9);
    EXPECT_GT((*rip)["reads_high"], 1.0);
    const auto table{run_program({"report", file("a.db")})};
    EXPECT_NE(table.out.find("Sampled     100 of the round trips"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("1.0000 (0.97"), std::string::npos) << table.out;
}

TEST_F(TuneSampled, ProfileHasIntervalsAndNamesTheUndecided) {
    const auto outcome{tune()};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json profile(Json::parse(std::ifstream{file("p.json")}));
    const Json* rip{of_field(profile["fields"], "guest_rip")};
    ASSERT_NE(rip, nullptr);
    EXPECT_TRUE((*rip)["write"]);
    EXPECT_LT((*rip)["reads_low"], (*rip)["reads_high"]);
    // Never seen in 100 round trips: it could still be worth a copy. It was not shadowed, and stays so.
    const Json* unseen{of_field(profile["undecided"], "host_cr3")};
    ASSERT_NE(unseen, nullptr) << outcome.out;
    EXPECT_GT((*unseen)["more_round_trips"], 0);
    EXPECT_EQ(of_field(profile["fields"], "host_cr3"), nullptr);
    EXPECT_NE(outcome.out.find("host_cr3, trapped: about"), std::string::npos) << outcome.out;
}

TEST_F(TuneSampled, StandsAloneAndHasNoPhases) {
    EXPECT_EQ(tune({"--phase", "steady"}).code, 2);
    test::write_sample(m_folder / "b.db");
    const auto two{run_program({"tune", file("a.db"), file("b.db"), "-o", file("p.json")})};
    EXPECT_EQ(two.code, 2);
    EXPECT_NE(two.err.find("tuned for alone"), std::string::npos) << two.err;
}

} // namespace
} // namespace shadowtune
