#include "hypervisor/devices/a20_gate.hpp"

#include <gtest/gtest.h>

namespace shadowtune::devices {
namespace {

constexpr auto data = A20Gate::keyboard_data;
constexpr auto command = A20Gate::keyboard_command;
constexpr auto control = A20Gate::system_control;

TEST(A20Gate, SystemControlPort) {
    A20Gate gate;
    EXPECT_TRUE(gate.is_open());
    EXPECT_EQ(gate.write(control, 0x00), 0x02); // the real gate stays open
    EXPECT_FALSE(gate.is_open());
    EXPECT_EQ(gate.read(control, 0x0e), 0x0c);  // L1 sees its own bit, and the hardware's others
    EXPECT_EQ(gate.write(control, 0x03), 0x03); // a reset is passed on
    EXPECT_TRUE(gate.is_open());
    EXPECT_EQ(gate.read(control, 0x0c), 0x0e);
}

TEST(A20Gate, KeyboardControllersOutputPort) {
    A20Gate gate;
    EXPECT_TRUE(gate.is_at_rest());
    EXPECT_EQ(gate.write(command, 0xd1), 0xd1);
    EXPECT_FALSE(gate.is_at_rest());
    EXPECT_EQ(gate.write(data, 0xdd), 0xdf);
    EXPECT_FALSE(gate.is_open());
    EXPECT_FALSE(gate.is_at_rest());
    // The next byte is the keyboard's again.
    EXPECT_EQ(gate.write(data, 0xed), 0xed);
    EXPECT_FALSE(gate.is_open());
    EXPECT_EQ(gate.read(data, 0xfa), 0xfa);
    // Read back, once.
    EXPECT_EQ(gate.write(command, 0xd0), 0xd0);
    EXPECT_EQ(gate.read(data, 0xdf), 0xdd);
    EXPECT_EQ(gate.read(data, 0xdf), 0xdf);
    // Another command in between takes the announcement back.
    EXPECT_EQ(gate.write(command, 0xd1), 0xd1);
    EXPECT_EQ(gate.write(command, 0xae), 0xae);
    EXPECT_EQ(gate.write(data, 0xf4), 0xf4);
    EXPECT_FALSE(gate.is_open());
    EXPECT_EQ(gate.write(command, 0xd1), 0xd1);
    EXPECT_EQ(gate.write(data, 0xdf), 0xdf);
    EXPECT_TRUE(gate.is_open());
}

TEST(A20Gate, KeyboardControllersCommands) {
    A20Gate gate;
    EXPECT_EQ(gate.write(command, 0xdd), 0xdf);
    EXPECT_FALSE(gate.is_open());
    EXPECT_EQ(gate.write(command, 0xdf), 0xdf);
    EXPECT_TRUE(gate.is_open());
    EXPECT_EQ(gate.write(command, 0xfe), 0xfe); // reset
    EXPECT_EQ(gate.write(command, 0xfd), 0xff); // a pulse of the gate's line
    EXPECT_EQ(gate.read(command, 0x1c), 0x1c);
    EXPECT_TRUE(gate.is_open());
}

TEST(A20Gate, ItsPorts) {
    unsigned count{0};
    for (unsigned port{0}; port < 0x1'0000; ++port)
        count += A20Gate::has_port(static_cast<std::uint16_t>(port)) ? 1U : 0U;
    EXPECT_EQ(count, 3U);
}

} // namespace
} // namespace shadowtune::devices
