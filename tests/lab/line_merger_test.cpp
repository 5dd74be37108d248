#include "lab/line_merger.hpp"

#include <gtest/gtest.h>
#include <random>
#include <sstream>

namespace shadowtune::lab {
namespace {

using Stream = LineMerger::Stream;

TEST(LineMerger, one_stream_goes_through_at_once) {
    LineMerger lines;
    EXPECT_EQ(lines.pass(Stream::console, "log"), "log");
    EXPECT_EQ(lines.pass(Stream::console, "in: "), "in: ");
    EXPECT_EQ(lines.release(), "");
}

TEST(LineMerger, a_line_is_not_cut_by_the_other_stream) {
    LineMerger lines;
    EXPECT_EQ(lines.pass(Stream::debug_port, "R"), "R");
    EXPECT_EQ(lines.pass(Stream::console, "READY\n"), "");
    EXPECT_EQ(lines.pass(Stream::debug_port, "ESULT\nMEM"), "ESULT\nREADY\nMEM");
    EXPECT_EQ(lines.pass(Stream::console, "x"), "");
    EXPECT_EQ(lines.pass(Stream::debug_port, "\n"), "\nx");
}

TEST(LineMerger, what_waits_for_a_prompt_is_let_go) {
    LineMerger lines;
    EXPECT_EQ(lines.pass(Stream::console, "login: "), "login: ");
    EXPECT_EQ(lines.pass(Stream::debug_port, "L1 stopped\n"), "");
    EXPECT_EQ(lines.release(), "L1 stopped\n");
    EXPECT_EQ(lines.pass(Stream::console, "root\n"), "root\n");
}

// However the bytes come: every line of both is there, whole, and each stream's in their order.
TEST(LineMerger, lines_stay_whole) {
    std::mt19937 random{7};
    for (int round = 0; round < 200; ++round) {
        std::string texts[2];
        for (int line = 0; line < 30; ++line) {
            const auto stream = random() % 2;
            texts[stream] += std::string{stream == 0 ? "c" : "d"} + std::to_string(line) +
                             std::string(random() % 9, '.') + "\n";
        }
        LineMerger lines;
        std::string out;
        std::size_t at[2]{};
        while (at[0] < texts[0].size() || at[1] < texts[1].size()) {
            const auto stream = random() % 2;
            const auto piece = texts[stream].substr(at[stream], random() % 13);
            at[stream] += piece.size();
            out += lines.pass(stream == 0 ? Stream::console : Stream::debug_port, piece);
        }
        EXPECT_EQ(lines.release(), "") << "all lines are whole";
        std::string seen[2];
        std::istringstream all{out};
        for (std::string line; std::getline(all, line);)
            seen[line.front() == 'c' ? 0 : 1] += line + "\n";
        EXPECT_EQ(seen[0], texts[0]);
        EXPECT_EQ(seen[1], texts[1]);
    }
}

} // namespace
} // namespace shadowtune::lab
