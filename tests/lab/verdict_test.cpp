#include "lab/verdict.hpp"

#include <csignal>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

constexpr int exited_with_1 = 1 << 8;

[[nodiscard]] std::string farewell(const std::string& message) {
    return "noise\n=====\nBochs is exiting with the following message:\n" + message + "\n=====\n";
}

TEST(Verdict, both_ways_of_a_power_off) {
    EXPECT_EQ(verdict_of(farewell("[ACPI  ] ACPI control: soft power off"), exited_with_1).code,
              ExitCode::powered_off);
    EXPECT_EQ(verdict_of(farewell("[UNMAP ] Shutdown port: shutdown requested"), exited_with_1).code,
              ExitCode::powered_off);
}

TEST(Verdict, a_panic_is_told_with_its_message) {
    const auto verdict =
        verdict_of(farewell("[CPU0  ] exception(): 3rd (13) exception with no resolution"), exited_with_1);
    EXPECT_EQ(verdict.code, ExitCode::emulator_panic);
    EXPECT_NE(verdict.reason.find("triple fault"), std::string::npos);
    EXPECT_NE(verdict_of(farewell("[MEM0  ] bad"), exited_with_1).reason.find("bad"), std::string::npos);
}

TEST(Verdict, an_unknown_processor_is_a_wrong_option) {
    EXPECT_EQ(verdict_of(farewell("[      ] bochsrc:5: cpu directive malformed."), exited_with_1).code,
              ExitCode::usage);
}

TEST(Verdict, an_end_without_a_message) {
    EXPECT_EQ(verdict_of("", SIGKILL).code, ExitCode::emulator_panic);
    EXPECT_NE(verdict_of("", SIGKILL).reason.find("signal 9"), std::string::npos);
    EXPECT_NE(verdict_of("", 127 << 8).reason.find("127"), std::string::npos);
}

TEST(Verdict, only_a_later_reset_is_one) {
    EXPECT_FALSE(tells_of_reset("00000000000i[SYS   ] bx_pc_system_c::Reset(HARDWARE) called"));
    EXPECT_TRUE(tells_of_reset("04638948569i[SYS   ] bx_pc_system_c::Reset(HARDWARE) called"));
    EXPECT_FALSE(tells_of_reset("04638948569i[BIOS  ] something else"));
}

} // namespace
} // namespace shadowtune::lab
