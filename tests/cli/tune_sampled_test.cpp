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
    // Under the sample's profile, and RFLAGS, which nobody touches.
    void SetUp() override {
        test::write_sample(m_folder / "a.db", db::Mode::sample);
        change("INSERT INTO generation_field SELECT 1, 2, encoding, 1, 1 FROM field WHERE symbol = "
               "'guest_rflags'");
    }
    void change(const std::string& sql) const {
        auto database{db::Database::open(m_folder / "a.db", db::OpenMode::append)};
        const auto done{database.value().connection().execute(sql)};
        ASSERT_TRUE(done.ok()) << done.error().message;
    }
    void forget_sets() const { change("DELETE FROM generation_field"); }
    static void rename_profile(const std::string& profile, const std::string& name) {
        Json json(Json::parse(std::ifstream{profile}));
        json["name"] = name;
        std::ofstream{profile} << json;
    }

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

// What traps is counted in the other 900 of the 1,000 round trips.
TEST_F(TuneSampled, ReportsRatesAreOfRoundTripsThatWereNotSampled) {
    const auto rate{[&](const std::vector<std::string>& more) {
        std::vector<std::string> words{"report", file("a.db"), "--format", "json"};
        words.insert(words.end(), more.begin(), more.end());
        const Json report(Json::parse(run_program(words).out));
        return of_field(report["fields"], "ept_pointer")->at("writes_per_round_trip").get<double>();
    }};
    EXPECT_DOUBLE_EQ(rate({}), 0.1);
    EXPECT_DOUBLE_EQ(rate({"--by-reason"}), 1.0 / 6);
    const auto csv{run_program({"report", file("a.db"), "--format", "csv"})};
    EXPECT_NE(csv.out.find("\nept_pointer,0x201A,0,90,0,0.000000,0.100000,"), std::string::npos) << csv.out;
}

TEST_F(TuneSampled, ProfileHasIntervalsAndNamesTheUndecided) {
    const auto outcome{tune()};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json profile(Json::parse(std::ifstream{file("p.json")}));
    const Json* rip{of_field(profile["fields"], "guest_rip")};
    ASSERT_NE(rip, nullptr);
    EXPECT_TRUE((*rip)["write"]);
    EXPECT_LT((*rip)["reads_low"], (*rip)["reads_high"]);
    // Writes of RFLAGS are shadowed, and were never seen in 100 round trips: they could still be worth a
    // copy.
    const Json* unseen{of_field(profile["undecided"], "guest_rflags")};
    ASSERT_NE(unseen, nullptr) << outcome.out;
    EXPECT_GT((*unseen)["more_round_trips"], 0);
    EXPECT_NE(outcome.out.find("guest_rflags, RW as it was: about"), std::string::npos) << outcome.out;
    // Not shadowed, so each access would have been seen, in all round trips: there was none.
    EXPECT_EQ(of_field(profile["undecided"], "host_cr3"), nullptr) << outcome.out;
    EXPECT_EQ(of_field(profile["fields"], "host_cr3"), nullptr);
}

// Shadowed too, and kept where the budget has room.
TEST_F(TuneSampled, TheBudgetHoldsWithTheUndecided) {
    for (const int most : {7, 6, 3, 1}) {
        const auto outcome{tune({"--budget", std::to_string(most)})};
        ASSERT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_NE(outcome.out.find("Hot set: " + std::to_string(most) + " of the"), std::string::npos)
            << outcome.out;
        EXPECT_EQ(outcome.out.find("guest_rflags, trapped for want of room in the budget: about") ==
                      std::string::npos,
                  most == 7)
            << outcome.out;
    }
}

// A recorder that met the profile already in force knows its name only.
TEST_F(TuneSampled, UnknownSetsAreNotTakenForEmptyOnes) {
    ASSERT_EQ(tune().code, 0);
    const std::string in_force{file("in-force.json")};
    std::filesystem::rename(file("p.json"), in_force);
    forget_sets();
    const auto outcome{tune()};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("nobody recorded which fields were shadowed then"), std::string::npos)
        << outcome.out;
    // R is decided, W is not: the estimate has none.
    EXPECT_NE(outcome.out.find("guest_interruptibility_state, R: about"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("host_cr3, trapped: about"), std::string::npos) << outcome.out;
    const Json profile(Json::parse(std::ifstream{file("p.json")}));
    EXPECT_EQ((*of_field(profile["fields"], "guest_interruptibility_state"))["read"], true);

    const auto wrong{tune({"--in-force", in_force})};
    EXPECT_EQ(wrong.code, 3);
    EXPECT_NE(wrong.err.find("its profile is 'p', but in force"), std::string::npos) << wrong.err;
    rename_profile(in_force, "sample");
    const auto told{tune({"--in-force", in_force})};
    ASSERT_EQ(told.code, 0) << told.err;
    EXPECT_NE(told.out.find("guest_rflags, RW as it was"), std::string::npos) << told.out;
    EXPECT_EQ(told.out.find("host_cr3"), std::string::npos) << told.out;
}

TEST_F(TuneSampled, TheProfileInForceHasToBeThatOne) {
    test::write_sample(m_folder / "t.db");
    ASSERT_EQ(run_program({"tune", file("t.db"), "-o", file("p.json"), "--name", "sample"}).code, 0);
    const auto other{tune({"--in-force", file("p.json")})};
    EXPECT_EQ(other.code, 3);
    EXPECT_NE(other.err.find("has other fields than the one of that name"), std::string::npos) << other.err;
    const auto counted{
        run_program({"tune", file("t.db"), "-o", file("q.json"), "--in-force", file("p.json")})};
    EXPECT_EQ(counted.code, 2);
    EXPECT_NE(counted.err.find("every access is counted"), std::string::npos) << counted.err;
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
