#include "lab/expectations.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

using enum Expectations::Stream;

TEST(Expectations, nothing_expected_is_nothing_missing) {
    Expectations expectations{{}};
    expectations.pass(console, "anything");
    EXPECT_EQ(expectations.first_missing(), "");
}

TEST(Expectations, every_text_has_to_come_in_any_order) {
    Expectations expectations{{"done one", "done two"}};
    EXPECT_EQ(expectations.first_missing(), "done one");
    expectations.pass(console, "done two\n");
    EXPECT_EQ(expectations.first_missing(), "done one");
    expectations.pass(console, "xdone onex");
    EXPECT_EQ(expectations.first_missing(), "");
}

TEST(Expectations, a_text_may_come_byte_by_byte) {
    Expectations expectations{{"aab"}};
    for (const char byte : std::string_view{"aaaaaaaaab"}) {
        EXPECT_EQ(expectations.first_missing(), "aab");
        expectations.pass(console, {&byte, 1});
    }
    EXPECT_EQ(expectations.first_missing(), "");
}

TEST(Expectations, streams_are_apart) {
    Expectations expectations{{"done"}};
    expectations.pass(console, "do");
    expectations.pass(debug_port, "ne");
    EXPECT_EQ(expectations.first_missing(), "done");
    expectations.pass(console, "ne");
    EXPECT_EQ(expectations.first_missing(), "");
}

} // namespace
} // namespace shadowtune::lab
