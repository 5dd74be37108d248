#include "lab/failure.hpp"
#include "lab/work_dir.hpp"
#include "lab/zoo.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

constexpr std::string_view good = "# a comment\n"
                                  "[one]\n"
                                  "what = The first\n"
                                  "files = a b\n"
                                  "recipe = cook x=1\n"
                                  "run = --l1 linux:{}/a\n"
                                  "    --initrd {}/b\n"
                                  "\n"
                                  "[two]\n"
                                  "what = The second\n"
                                  "files = c\n"
                                  "recipe = cook\n"
                                  "run = --l1 linux:{}/c\n";

[[nodiscard]] std::string failure_of(std::string_view table) {
    try {
        static_cast<void>(parse_zoo(table));
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::internal);
        return failure.what();
    }
    return {};
}

TEST(Zoo, members_in_the_table_s_order) {
    const auto zoo = parse_zoo(good);
    ASSERT_EQ(zoo.size(), 2U);
    EXPECT_EQ(zoo[0].name, "one");
    EXPECT_EQ(zoo[0].what, "The first");
    EXPECT_EQ(zoo[0].files, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(zoo[0].recipe, "cook x=1");
    EXPECT_EQ(zoo[0].run, "--l1 linux:{}/a --initrd {}/b");
    EXPECT_EQ(zoo[1].name, "two");
    EXPECT_EQ(bring_command(zoo[1]), "scripts/setup --zoo two");
}

TEST(Zoo, the_directory_is_filled_in_wherever_it_stands) {
    EXPECT_EQ(with_directory("linux:{}/a,{}", "/z/{}"), "linux:/z/{}/a,/z/{}");
    EXPECT_EQ(with_directory("quiet", "/z"), "quiet");
}

TEST(Zoo, mistakes_are_told_with_their_line) {
    EXPECT_NE(failure_of("what = x\n").find("line 1 comes before"), std::string::npos);
    EXPECT_NE(failure_of("[one]\nwho = x\n").find("line 2 has the unknown key 'who'"), std::string::npos);
    EXPECT_NE(failure_of("[one]\n  more\n").find("line 2 continues nothing"), std::string::npos);
    EXPECT_NE(failure_of("[one\n").find("line 1 is no [NAME]"), std::string::npos);
    EXPECT_NE(failure_of("[]\n").find("line 1 is no [NAME]"), std::string::npos);
    EXPECT_NE(failure_of("words\n").find("line 1 is neither"), std::string::npos);
    EXPECT_NE(failure_of("[one]\nwhat = x\nwhat = y\n").find("line 3 gives a key a second"),
              std::string::npos);
    EXPECT_NE(failure_of("[one]\nwhat = x\n").find("ends [one]"), std::string::npos);
    EXPECT_NE(failure_of(std::string{good} + std::string{good}).find("second [one]"), std::string::npos);
}

TEST(Zoo, an_unknown_name_is_answered_with_the_names) {
    const auto zoo = parse_zoo(good);
    EXPECT_EQ(&find_member(zoo, "two"), &zoo[1]);
    try {
        static_cast<void>(find_member(zoo, "three"));
        ADD_FAILURE() << "no error";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::usage);
        EXPECT_STREQ(failure.what(), "the zoo has no 'three': give one of one, two");
    }
}

TEST(Zoo, a_member_is_ready_when_all_its_files_are_there) {
    const auto zoo = parse_zoo(good);
    const WorkDir work;
    EXPECT_EQ(missing_file(zoo[0], work.path()), "a");
    work.write("a", "x");
    EXPECT_EQ(missing_file(zoo[0], work.path()), "b");
    work.write("b", "x");
    EXPECT_EQ(missing_file(zoo[0], work.path()), "");
}

TEST(Zoo, the_program_s_own_table_is_good) {
    EXPECT_GE(parse_zoo(zoo_table).size(), 3U);
}

} // namespace
} // namespace shadowtune::lab
