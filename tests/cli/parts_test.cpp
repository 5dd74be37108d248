// The parts of the command line that need no process.

#include "cli/budget.hpp"
#include "cli/lab_zoo.hpp"
#include "cli/options.hpp"
#include "cli/quiet.hpp"
#include "cli/selection.hpp"
#include "cli/table.hpp"
#include "lab/failure.hpp"
#include "tests/db/sample_recording.hpp"

#include <fstream>
#include <gtest/gtest.h>

namespace shadowtune::cli {
namespace {

[[nodiscard]] Result<tuner::Budget, CliError> parsed(const std::vector<std::string>& texts,
                                                     std::size_t offered = 147) {
    return parse_budgets(texts, offered, tuner::published_costs());
}

TEST(Budget, SharesAndNumbers) {
    EXPECT_EQ(parsed({"10%"}).value().fields, 14U);
    EXPECT_EQ(parsed({"7%"}, 100).value().fields, 7U);
    EXPECT_EQ(parsed({"12.5%"}, 80).value().fields, 10U);
    EXPECT_EQ(parsed({"100%"}).value().fields, 147U);
    EXPECT_EQ(parsed({"14"}).value().fields, 14U);
    EXPECT_FALSE(parsed({}).value().fields.has_value());
    EXPECT_EQ(parsed({"400cycles"}).value().sync, 400.0);
    EXPECT_EQ(parsed({"310.5cycles", "10%"}).value().sync, 310.5);
    EXPECT_EQ(parsed({"310.5cycles", "10%"}).value().fields, 14U);
    for (const char* wrong : {"", "%", "101%", "-1%", "-1", "ten", "10 %", "10%%", "1e1%", "nan%", "14x",
                              "1.5", "cycles", "-400cycles", "400 cycles", "inf", "400seconds"}) {
        const auto result{parsed({wrong})};
        ASSERT_FALSE(result.ok()) << wrong;
        EXPECT_EQ(result.error().code, ExitCode::usage);
    }
}

TEST(Budget, ContradictionsAreToldApart) {
    const auto expect_refused{[](const std::vector<std::string>& texts, const char* says) {
        const auto result{parsed(texts)};
        ASSERT_FALSE(result.ok()) << texts[0];
        EXPECT_EQ(result.error().code, ExitCode::usage);
        EXPECT_NE(result.error().message.find(says), std::string::npos) << result.error().message;
    }};
    expect_refused({"10%", "14"}, "the number of fields is limited already");
    expect_refused({"400cycles", "500cycles"}, "the work of syncing is limited already");
    expect_refused({"0"}, "leaves none of the 147 fields");
    expect_refused({"0.5%"}, "leaves none of the 147 fields");
    expect_refused({"309cycles"}, "a shadow with one field already takes 310");
    expect_refused({"400instructions"}, "the published costs are in cycles");
}

TEST(Quiet, OverOnlyAfterItBegan) {
    using namespace std::chrono_literals;
    const Quiet::Time start{};
    Quiet quiet{2};
    EXPECT_FALSE(quiet.reached(50, start));
    EXPECT_FALSE(quiet.reached(50, start + 100s)); // not begun yet
    EXPECT_FALSE(quiet.reached(60, start + 101s));
    EXPECT_FALSE(quiet.reached(60, start + 102s));
    EXPECT_FALSE(quiet.reached(61, start + 102s + 900ms)); // not over after all
    EXPECT_FALSE(quiet.reached(61, start + 104s));
    EXPECT_TRUE(quiet.reached(61, start + 105s));
}

TEST(Table, AlignsByCharacters) {
    Table table{{{"name", Table::Align::left}, {"n"}}};
    table.add({"\u00e9t\u00e9", "1"});
    table.add({"winter", "10"});
    EXPECT_EQ(table.text(), "name     n\n------  --\n\u00e9t\u00e9      1\nwinter  10\n");
}

TEST(Table, CsvQuotesWhatItMust) {
    EXPECT_EQ(csv_cell("plain text"), "plain text");
    EXPECT_EQ(csv_cell("a,b"), "\"a,b\"");
    EXPECT_EQ(csv_cell("a\"b"), "\"a\"\"b\"");
}

TEST(Console, Grouped) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(1234567), "1,234,567");
}

TEST(Selection, FileAndRecording) {
    const test::TemporaryFolder folder{};
    const std::string plain{(folder / "a.db").string()};
    EXPECT_EQ(parse_recording(plain + ":3").file, plain);
    EXPECT_EQ(parse_recording(plain + ":3").recording, 3);
    EXPECT_EQ(parse_recording(plain).recording, 0);
    EXPECT_EQ(parse_recording(plain + ":x").file, plain + ":x");
    EXPECT_EQ(parse_recording(plain + ":0").file, plain + ":0");
    std::ofstream{plain + ":3"} << "a file of this very name";
    EXPECT_EQ(parse_recording(plain + ":3").file, plain + ":3");
}

// What a zoo member's words and its user's options come to.
struct Words {
    std::string cmdline;
    std::string link;
    std::vector<std::string> type;
    bool bare{false};

    void add_to(CLI::App& app) {
        app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        app.add_option("NAME", name);
        app.add_option("--cmdline", cmdline);
        app.add_option("--link", link);
        repeatable(app.add_option("--type", type));
        app.add_flag("--bare", bare);
    }

private:
    std::string name;
};

TEST(LabZoo, WhatTheUserGivesTakesPrecedence) {
    Words user{};
    CLI::App given{};
    user.add_to(given);
    given.parse("linux-6.1 --cmdline \"--odd words\" --bare", false);
    Words merged{};
    CLI::App target{};
    merged.add_to(target);
    parse_words_then_given({"--cmdline", "quiet", "--link", "l", "--type", "a", "--type", "b c"}, given,
                           target);
    EXPECT_EQ(merged.cmdline, "--odd words");
    EXPECT_EQ(merged.link, "l");
    EXPECT_EQ(merged.type, (std::vector<std::string>{"a", "b c"}));
    EXPECT_TRUE(merged.bare);
}

TEST(LabZoo, AMemberWithoutItsFilesNamesTheMend) {
    const test::TemporaryFolder folder{};
    try {
        (void)zoo_words("linux-6.1", folder.path());
        ADD_FAILURE() << "no error";
    } catch (const lab::Failure& failure) {
        EXPECT_EQ(failure.code(), lab::ExitCode::not_ready);
        EXPECT_NE(std::string{failure.what()}.find("scripts/setup --zoo linux-6.1"), std::string::npos);
    }
}

} // namespace
} // namespace shadowtune::cli
