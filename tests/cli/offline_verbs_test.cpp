// The verbs that need no VMM: golden output, exit codes, and each kind of bad input.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

namespace shadowtune {
namespace {

using test::Outcome;
using test::run_program;
using Json = nlohmann::json;

[[nodiscard]] std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

class Offline : public ::testing::Test {
protected:
    void SetUp() override {
        m_db = (m_folder / "a.db").string();
        m_profile = (m_folder / "p.json").string();
        test::write_sample(m_db);
        test::write_sample(m_db, db::Mode::tuned);
    }

    void tune() {
        const Outcome tuned{
            run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--name", "sample"})};
        ASSERT_EQ(tuned.code, 0) << tuned.err;
    }

    // One line on standard error, nothing on standard output.
    static void expect_error(const Outcome& outcome, int code, const std::string& says) {
        EXPECT_EQ(outcome.code, code) << outcome.err;
        EXPECT_EQ(outcome.out, "");
        EXPECT_NE(outcome.err.find(says), std::string::npos) << outcome.err;
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    }

    // The golden file holds what the program printed when a person last looked at it.
    static void expect_golden(const Outcome& outcome, const std::string& name) {
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_EQ(outcome.out, contents(std::filesystem::path{GOLDEN_FOLDER} / name)) << outcome.out;
        std::istringstream lines{outcome.out};
        for (std::string line{}; std::getline(lines, line);)
            EXPECT_LE(line.size(), 100U) << line;
    }

    test::TemporaryFolder m_folder;
    std::string m_db;
    std::string m_profile;
};

TEST_F(Offline, ReportTables) {
    expect_golden(run_program({"report", m_db, "--recording", "1"}), "report.txt");
    expect_golden(run_program({"report", m_db, "--recording", "1", "--by-reason", "--top", "3"}),
                  "report-by-reason.txt");
    expect_golden(run_program({"report", m_db, "--recording", "1", "--snapshots", "0:2", "--sort", "name"}),
                  "report-power-on.txt");
    expect_golden(run_program({"report", m_db}), "report-tuned.txt");
    expect_golden(run_program({"report", m_db, "--list"}), "report-list.txt");
}

TEST_F(Offline, ReportTellsVcpusApart) {
    const std::string two{(m_folder / "two.db").string()};
    test::write_sample_of_two(two);
    expect_golden(run_program({"report", two, "--top", "3"}), "report-vcpus.txt");
    expect_golden(run_program({"report", two, "--vcpu", "1", "--top", "3"}), "report-vcpu-1.txt");
    const Json report(Json::parse(run_program({"report", two, "--format", "json"}).out));
    EXPECT_EQ(report["round_trips"], 1500);
    ASSERT_EQ(report["vcpus"].size(), 2U);
    EXPECT_EQ(report["vcpus"][0]["round_trips"], 1000);
    EXPECT_EQ(report["vcpus"][1]["round_trips"], 500);
    expect_error(run_program({"report", two, "--vcpu", "2"}), 3, "has 2 vCPUs, and no vCPU 2");
}

TEST_F(Offline, SimulateComparesLists) {
    expect_golden(run_program({"simulate", m_db, "--recording", "1"}), "simulate.txt");
    tune();
    const Outcome json{run_program({"simulate", m_db, "--recording", "1", "--list", "kvm", "--list", "none",
                                    "--profile", m_profile, "--format", "json"})};
    const Json report(Json::parse(json.out));
    std::vector<std::string> names{};
    for (const auto& row : report["per_round_trip"])
        names.push_back(row["set"]);
    EXPECT_EQ(names, (std::vector<std::string>{"none", "kvm", "sample", "optimum"}));
    // The profile is what tune made with the same costs.
    EXPECT_EQ(report["per_round_trip"][2]["cost"], report["per_round_trip"][3]["cost"]);
    EXPECT_LT(report["per_round_trip"][3]["cost"], report["per_round_trip"][1]["cost"]);
    const Outcome csv{run_program({"simulate", m_db, "--recording", "1", "--format", "csv"})};
    EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 8);
    expect_error(run_program({"simulate", m_db}), 3, "mode tuned");
    EXPECT_EQ(run_program({"simulate", m_db, "--list", "hyper-v"}).code, 2);
}

TEST_F(Offline, ReportForPrograms) {
    const Outcome csv{run_program({"report", m_db, "--recording", "1", "--format", "csv"})};
    EXPECT_EQ(csv.code, 0);
    EXPECT_NE(csv.out.find("\nguest_rip,0x681E,1000,1000,0,1.000000,1.000000,0.370370,RW\n"),
              std::string::npos);
    const Outcome json{run_program({"report", m_db, "--recording", "1", "--format", "json"})};
    const Json report(Json::parse(json.out));
    EXPECT_EQ(report["round_trips"], 1000);
    EXPECT_EQ(report["fields_read"], 5);
    EXPECT_EQ(report["complete"], true);
    EXPECT_EQ(report["fields"].size(), 6U);
    EXPECT_EQ(report["fields"][0]["field"], "guest_rip");
}

TEST_F(Offline, TuneWritesAProfile) {
    const Outcome tuned{run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--budget", "3"})};
    EXPECT_EQ(tuned.code, 0) << tuned.err;
    EXPECT_NE(tuned.out.find("3 of the 127 fields offered"), std::string::npos) << tuned.out;
    const Json profile(Json::parse(contents(m_profile)));
    EXPECT_EQ(profile["name"], "p");
    EXPECT_EQ(profile["fields"].size(), 6U); // all that were accessed
    EXPECT_EQ(
        std::ranges::count_if(profile["fields"], [](const Json& field) { return field["read"] == true; }), 3);
    EXPECT_EQ(profile["made"]["budget_fields"], 3);
    EXPECT_EQ(profile["made"]["recordings"][0]["recording"], 1);
    const Outcome share{run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--budget", "2%"})};
    EXPECT_NE(share.out.find("2 of the 127"), std::string::npos) << share.out;
}

TEST_F(Offline, TuneRefusesWhatItCannotConcludeFrom) {
    // The newest recording was made in mode tuned.
    expect_error(run_program({"tune", m_db, "-o", m_profile}), 3, "mode trap");
    EXPECT_FALSE(std::filesystem::exists(m_profile));
    expect_error(run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--budget", "x"}), 2,
                 "--budget");
    expect_error(
        run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--budget", "10%", "--budget", "14"}),
        2, "limited already");
    EXPECT_FALSE(std::filesystem::exists(m_profile));
    expect_error(run_program({"tune", m_db, "--recording", "1", "-o", (m_folder / "no/p.json").string()}), 7,
                 "check the path");
    expect_error(
        run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--name", std::string(40, 'x')}), 2,
        "--name");
}

TEST_F(Offline, TuneShowsTheCurve) {
    const Outcome tuned{run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--curve"})};
    EXPECT_EQ(tuned.code, 0) << tuned.err;
    EXPECT_NE(tuned.out.find("guest_rip RW"), std::string::npos) << tuned.out;
    const Json curve(Json::parse(contents(m_profile))["curve"]);
    ASSERT_EQ(curve.size(), 7U);
    EXPECT_EQ(curve[1]["read_added"], Json::array({"guest_rip"}));
    EXPECT_EQ(curve[6]["cost"], 568.8);
    for (std::size_t i{1}; i < curve.size(); ++i)
        EXPECT_LT(curve[i]["cost"], curve[i - 1]["cost"]);
}

TEST_F(Offline, TuneForSeveralRecordings) {
    const std::string other{(m_folder / "b.db").string()};
    test::write_sample(other);
    const Outcome tuned{
        run_program({"tune", m_db + ":1", other, "--weight", "1", "--weight", "3", "-o", m_profile})};
    EXPECT_EQ(tuned.code, 0) << tuned.err;
    EXPECT_NE(tuned.out.find("b.db:1"), std::string::npos) << tuned.out;
    const Json profile(Json::parse(contents(m_profile)));
    EXPECT_EQ(profile["made"]["recordings"].size(), 2U);
    EXPECT_EQ(profile["made"]["recordings"][1]["weight"], 3.0);
    EXPECT_EQ(profile["made"]["recordings"][1]["regret"], 0.0);
    EXPECT_EQ(profile["fields"].size(), 6U);
    const Outcome worst{run_program({"tune", m_db + ":1", other, "--objective", "minimax", "-o", m_profile})};
    EXPECT_EQ(worst.code, 0) << worst.err;
    EXPECT_NE(worst.out.find("worst regret below 0"), std::string::npos) << worst.out;
    EXPECT_EQ(Json::parse(contents(m_profile))["made"]["regret_lower_bound"], 0.0);

    expect_error(run_program({"tune", m_db + ":1", other, "--weight", "1", "-o", m_profile}), 2, "--weight");
    expect_error(run_program({"tune", m_db, other, "--recording", "1", "-o", m_profile}), 2,
                 "FILE:RECORDING");
    expect_error(
        run_program({"tune", m_db + ":1", "--objective", "minimax", "--weight", "1", "-o", m_profile}), 2,
        "minimax has no weights");
    // One that cannot be used spoils the mean: it is not left out in silence.
    expect_error(run_program({"tune", other, m_db + ":2", "-o", m_profile}), 3, "mode trap");
}

TEST_F(Offline, CompareHasTheDemoFigures) {
    tune();
    const std::string figures{(m_folder / "f.json").string()};
    expect_golden(run_program({"compare", "--before", m_db + ":1", "--after", m_db + ":2", "--profile",
                               m_profile, "--json", figures}),
                  "compare.txt");
    const Json json(Json::parse(contents(figures)));
    const Json expected{{"l1", "Linux 6.1 test"},
                        {"fields_offered", 127},
                        {"fields_read", 5},
                        {"fields_written", 3},
                        {"hot_set", 6},
                        {"round_trips", 1000},
                        {"trapped_per_round_trip", {{"before", 5.4}, {"kvm_list", 0.8}, {"after", 0.1}}},
                        {"synced_per_round_trip", {{"full", 239}, {"kvm_list", 55}, {"tuned", 8}}},
                        {"instructions_per_round_trip", {{"before", 20000.0}, {"after", 9000.0}}},
                        {"reload", {{"generation", 2}, {"instructions", 4321}}}};
    EXPECT_EQ(json, expected);
}

TEST_F(Offline, CompareRefusesWhatDoesNotBelongTogether) {
    tune();
    const auto compare{[&](const std::string& before, const std::string& after) {
        return run_program({"compare", "--before", before, "--after", after, "--profile", m_profile});
    }};
    expect_error(compare(m_db + ":2", m_db + ":2"), 3, "mode trap");
    expect_error(compare(m_db + ":1", m_db + ":1"), 3, "not made under profile 'sample'");
    expect_error(compare(m_db + ":1", m_db + ":9"), 3, "no recording 9");
    ASSERT_EQ(run_program({"tune", m_db, "--recording", "1", "-o", m_profile, "--budget", "2"}).code, 0);
    expect_error(compare(m_db + ":1", m_db + ":2"), 3, "not made under profile 'p'");
}

TEST_F(Offline, CompareTellsWhatItKnows) {
    tune();
    const auto change{[&](const std::string& sql) {
        auto database{db::Database::open(m_db, db::OpenMode::append)};
        ASSERT_TRUE(database.value().connection().execute(sql).ok());
    }};
    const auto compare{[&] {
        return run_program(
            {"compare", "--before", m_db + ":1", "--after", m_db + ":2", "--profile", m_profile});
    }};
    EXPECT_EQ(compare().out.find("by its name only"), std::string::npos);
    change("DELETE FROM generation_field WHERE recording_id = 2");
    const Outcome by_name{compare()};
    EXPECT_EQ(by_name.code, 0) << by_name.err;
    EXPECT_NE(by_name.out.find("Profile  sample: by its name only"), std::string::npos) << by_name.out;
    // The name is the same, the fields are not.
    change(
        "INSERT INTO generation_field SELECT 2, 2, encoding, 1, 0 FROM field WHERE symbol = 'guest_rflags'");
    expect_error(compare(), 3, "not made under profile 'sample'");
    change("DELETE FROM generation_field WHERE recording_id = 2");
    change("UPDATE recording SET l1_name = 'Xen 4.17' WHERE id = 2");
    expect_error(compare(), 3, "of another L1 (linux, Xen 4.17) than before (linux, Linux 6.1 test)");
}

TEST_F(Offline, Export) {
    tune();
    const Outcome profile{run_program({"export", m_profile})};
    EXPECT_EQ(profile.code, 0);
    EXPECT_EQ(profile.out, contents(m_profile));
    const std::string file{(m_folder / "r.json").string()};
    EXPECT_EQ(run_program({"export", m_db, "--recording", "1", "-o", file}).code, 0);
    EXPECT_EQ(Json::parse(contents(file))["fields"].size(), 9U);
    // Without fingerprints a module is the image alone.
    const Outcome module{run_program({"export", m_profile, "--format", "module"})};
    EXPECT_EQ(module.code, 0) << module.err;
    EXPECT_EQ(module.out, run_program({"export", m_profile, "--format", "image"}).out);
    std::ofstream{m_profile} << "{";
    expect_error(run_program({"export", m_profile}), 3, "not JSON");
}

TEST_F(Offline, ImportTakesBackWhatExportWrites) {
    tune();
    const Json fields(Json::parse(contents(m_profile))["fields"]);
    const std::string file{(m_folder / "x").string()};
    const std::string back{(m_folder / "back.json").string()};
    for (const std::string format : {"json", "image", "pages", "kvm", "xen", "csv"}) {
        ASSERT_EQ(run_program({"export", m_profile, "--format", format, "-o", file}).code, 0) << format;
        for (const bool named : {false, true}) {
            std::vector<std::string> words{"import", file, "-o", back};
            if (named) words.insert(words.end(), {"--format", format, "--name", "mine"});
            const Outcome imported{run_program(words)};
            ASSERT_EQ(imported.code, 0) << format << imported.err;
            const Json profile(Json::parse(contents(back)));
            ASSERT_EQ(profile["fields"].size(), fields.size()) << format;
            for (std::size_t i{0}; i < fields.size(); ++i) {
                EXPECT_EQ(profile["fields"][i]["field"], fields[i]["field"]) << format;
                EXPECT_EQ(profile["fields"][i]["write"], fields[i]["write"]) << format;
            }
            const bool carries_name{format == "json" || format == "image"};
            EXPECT_EQ(profile["name"], named ? "mine" : carries_name ? "sample" : "x");
        }
    }
    std::ofstream{file} << "nothing of ours";
    expect_error(run_program({"import", file, "-o", back}), 3, "--format");
    std::ofstream{file} << "field,encoding,read,write\n";
    expect_error(run_program({"import", file, "-o", back}), 3, "shadows no field");
    expect_error(run_program({"export", m_profile, "--format", "curve"}), 3, "tune --curve");
    expect_error(run_program({"export", m_db, "--format", "kvm"}), 3, "a recording has no form 'kvm'");
    EXPECT_NE(run_program({"export", m_profile, "--format", "markdown"}).out.find("# Profile sample"),
              std::string::npos);
}

TEST_F(Offline, ImportMakesAProfileOfAFixedList) {
    const std::string list{(m_folder / "list.json").string()};
    const auto fields{[&](const std::string& name) {
        const Outcome imported{run_program({"import", m_db, "--list", name, "-o", list})};
        EXPECT_EQ(imported.code, 0) << imported.err;
        const Json profile(Json::parse(contents(list)));
        EXPECT_EQ(profile["name"], "list " + name);
        return profile["fields"].size();
    }};
    EXPECT_EQ(fields("none"), 0U);
    EXPECT_GT(fields("kvm"), 20U);
    EXPECT_GT(fields("all"), fields("kvm"));
    expect_error(run_program({"import", m_db + ":9", "--list", "kvm", "-o", list}), 3, "no recording 9");
    EXPECT_EQ(run_program({"import", m_db, "--list", "hyper-v", "-o", list}).code, 2);
    EXPECT_EQ(run_program({"import", m_db, "--list", "kvm", "--format", "csv", "-o", list}).code, 2);
}

TEST_F(Offline, BadDatabases) {
    expect_error(run_program({"report", (m_folder / "none.db").string()}), 3, "no such file");
    std::ofstream{m_folder / "text.db"} << std::string(5000, 'x');
    expect_error(run_program({"report", (m_folder / "text.db").string()}), 3, "not a shadowtune database");
    expect_error(run_program({"report", m_db, "--recording", "9"}), 3, "no recording 9");
    expect_error(run_program({"report", m_db, "--snapshots", "3:1"}), 3, "snapshots 1 to 3");
    expect_error(run_program({"report", m_db, "--snapshots", "all"}), 2, "FROM:TO");
}

TEST_F(Offline, Usage) {
    for (const std::vector<std::string>& wrong :
         std::vector<std::vector<std::string>>{{},
                                               {"nonsense"},
                                               {"report"},
                                               {"report", m_db, "--format", "xml"},
                                               {"report", m_db, "--top", "-1"},
                                               {"tune", m_db},
                                               {"tune", m_db, "-o", "x", "--costs", "guess"},
                                               {"apply", "p"},
                                               {"record", "--link", "x"}}) {
        EXPECT_EQ(run_program(wrong).code, 2);
    }
    for (const std::vector<std::string>& both :
         std::vector<std::vector<std::string>>{{"--duration", "1", "--until-quiet", "1"},
                                               {"--duration", "1", "--round-trips", "1"},
                                               {"--until-quiet", "1", "--round-trips", "1"}}) {
        std::vector<std::string> words{"record", "--link", "/x", "--db", m_db};
        words.insert(words.end(), both.begin(), both.end());
        EXPECT_EQ(run_program(words).code, 2);
    }
}

TEST_F(Offline, HelpHasExamples) {
    EXPECT_EQ(run_program({"--help"}).code, 0);
    for (const char* verb :
         {"record", "report", "tune", "apply", "status", "compare", "diff", "export", "import", "version"}) {
        const Outcome help{run_program({verb, "--help"})};
        EXPECT_EQ(help.code, 0);
        EXPECT_NE(help.out.find("Example"), std::string::npos) << verb;
        EXPECT_NE(help.out.find(std::string{"shadowtune "} + verb), std::string::npos) << verb;
    }
    EXPECT_NE(run_program({"version"}).out.find("field catalogue  0x"), std::string::npos);
}

TEST_F(Offline, FullDiskIsTold) {
    test::Program program{{"report", m_db}, "/dev/full"};
    const Outcome outcome{program.wait()};
    EXPECT_EQ(outcome.code, 7);
    EXPECT_NE(outcome.err.find("standard output"), std::string::npos);
}

} // namespace
} // namespace shadowtune
