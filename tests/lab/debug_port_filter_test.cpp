#include "lab/debug_port_filter.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

const std::string banner =
    "=====\n  Bochs x86 Emulator 2.7\n00000000000i[      ] using log file bochs.log\nNext at t=0\n";
const std::string cpu_line = "(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b ; ea5be000f0\n";
const std::string stop_line =
    "(0).[4638948569] [0x00000162de5f] 0010:ffffffff8162de5f (unk. ctxt): out dx, ax\n";

// The same however the output is cut.
[[nodiscard]] std::string filtered(const std::string& output, unsigned cpus = 1) {
    DebugPortFilter whole{cpus};
    auto result = whole.pass(output);
    result += whole.finish();
    DebugPortFilter pieces{cpus};
    std::string by_bytes;
    for (const char c : output)
        by_bytes += pieces.pass({&c, 1});
    by_bytes += pieces.finish();
    EXPECT_EQ(result, by_bytes);
    return result;
}

TEST(DebugPortFilter, leaves_the_machines_bytes_alone) {
    EXPECT_EQ(filtered(banner + cpu_line + "hello\n" + stop_line), "hello\n");
    EXPECT_EQ(filtered(banner + cpu_line + stop_line), "");
    EXPECT_EQ(filtered(banner), "");
}

TEST(DebugPortFilter, the_end_may_follow_on_the_machines_own_line) {
    EXPECT_EQ(filtered(banner + cpu_line + "no newline" + stop_line), "no newline");
}

TEST(DebugPortFilter, what_only_looks_like_the_end_stays) {
    const std::string text = "f(0) (12). (3).x ((4).[ (5).[a (";
    EXPECT_EQ(filtered(banner + cpu_line + text), text);
}

TEST(DebugPortFilter, a_line_for_each_processor) {
    EXPECT_EQ(filtered(banner + cpu_line + "(1) [0x0000fffffff0] f000:fff0 x\n" + "hello", 2), "hello");
}

TEST(VerdictWatch, sees_the_two_lines_and_nothing_inside_others) {
    VerdictWatch watch;
    watch.pass("say shadowtune: L1 stopped: no\nshadowtune: L1 sto");
    EXPECT_TRUE(watch.stopped().empty());
    watch.pass("pped: VMXON twice\r\nshadowtune: L1 stopped: later\n");
    EXPECT_EQ(watch.stopped(), "shadowtune: L1 stopped: VMXON twice");
    EXPECT_TRUE(watch.cannot_start().empty());
    watch.pass("shadowtune: cannot start: no EPT\n");
    EXPECT_EQ(watch.cannot_start(), "shadowtune: cannot start: no EPT");
}

} // namespace
} // namespace shadowtune::lab
