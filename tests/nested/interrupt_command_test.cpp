#include "hypervisor/nested/interrupt_command.hpp"

#include <gtest/gtest.h>

namespace shadowtune::nested {
namespace {

constexpr std::uint32_t init_assert{0xC500}, init_deassert{0x8500}, startup_09{0x609}, nmi{0x400};

[[nodiscard]] ApicAddress xapic(std::uint32_t id, std::uint32_t ldr = 0, std::uint32_t dfr = 0xFFFF'FFFF) {
    return {ApicMode::xapic, id, ldr << 24, dfr};
}

[[nodiscard]] InterruptCommand to(std::uint32_t destination, bool is_logical = false) {
    InterruptCommand command{decode_xapic_command(init_assert, 0)};
    command.destination = destination;
    command.is_logical = is_logical;
    return command;
}

TEST(InterruptCommand, DecodesWhatLinuxWrites) {
    const auto init{decode_xapic_command(init_assert, 0x0300'0000)};
    EXPECT_EQ(init.mode, DeliveryMode::init);
    EXPECT_TRUE(init.is_l0s() && !init.is_deassert());
    EXPECT_EQ(init.destination, 3U);
    EXPECT_TRUE(decode_xapic_command(init_deassert, 0).is_deassert());
    const auto startup{decode_xapic_command(startup_09, 0xFF00'0000)};
    EXPECT_EQ(startup.mode, DeliveryMode::startup);
    EXPECT_EQ(startup.vector, 9);
    EXPECT_TRUE(startup.is_l0s());
    EXPECT_FALSE(decode_xapic_command(nmi, 0).is_l0s());
    EXPECT_FALSE(decode_xapic_command(0xFD, 0).is_l0s());
    const auto wide{decode_x2apic_command(0x0001'0002'000C'4500)};
    EXPECT_EQ(wide.destination, 0x10002U);
    EXPECT_EQ(wide.shorthand, Shorthand::all_but_self);
}

TEST(InterruptCommand, PhysicalDestinations) {
    EXPECT_TRUE(is_destination(to(3), ApicMode::xapic, xapic(3)));
    EXPECT_FALSE(is_destination(to(3), ApicMode::xapic, xapic(2)));
    EXPECT_TRUE(is_destination(to(0xFF), ApicMode::xapic, xapic(2)));
    const ApicAddress far{ApicMode::x2apic, 0x1FF, 0, 0};
    EXPECT_TRUE(is_destination(to(0x1FF), ApicMode::x2apic, far));
    // 255 is an ID like others where there are 32 bits; an xAPIC cannot name the one above it.
    EXPECT_FALSE(is_destination(to(0xFF), ApicMode::x2apic, far));
    EXPECT_TRUE(is_destination(to(0xFFFF'FFFF), ApicMode::x2apic, far));
    EXPECT_FALSE(is_destination(to(3), ApicMode::xapic, {ApicMode::disabled, 3, 0, 0}));
}

TEST(InterruptCommand, LogicalDestinations) {
    // Flat: one bit each.
    EXPECT_TRUE(is_destination(to(0b0110, true), ApicMode::xapic, xapic(7, 0b0100)));
    EXPECT_FALSE(is_destination(to(0b0110, true), ApicMode::xapic, xapic(7, 0b1000)));
    EXPECT_FALSE(is_destination(to(0, true), ApicMode::xapic, xapic(0, 1)));
    // Clusters: their number in bits 7:4, 15 for all of them.
    EXPECT_TRUE(is_destination(to(0x21, true), ApicMode::xapic, xapic(7, 0x21, 0x0FFF'FFFF)));
    EXPECT_FALSE(is_destination(to(0x21, true), ApicMode::xapic, xapic(7, 0x31, 0x0FFF'FFFF)));
    EXPECT_FALSE(is_destination(to(0x22, true), ApicMode::xapic, xapic(7, 0x21, 0x0FFF'FFFF)));
    EXPECT_TRUE(is_destination(to(0xF1, true), ApicMode::xapic, xapic(7, 0x21, 0x0FFF'FFFF)));
    // x2APIC: the ID 35 is bit 3 of cluster 2.
    const ApicAddress wide{ApicMode::x2apic, 35, 0, 0};
    EXPECT_TRUE(is_destination(to(0x0002'0008, true), ApicMode::x2apic, wide));
    EXPECT_FALSE(is_destination(to(0x0002'0004, true), ApicMode::x2apic, wide));
    EXPECT_FALSE(is_destination(to(0x0001'0008, true), ApicMode::x2apic, wide));
}

TEST(InterruptCommand, Shorthands) {
    InterruptCommand command{to(3)};
    command.shorthand = Shorthand::all_but_self;
    EXPECT_FALSE(reaches(command, ApicMode::xapic, true, xapic(3)));
    EXPECT_TRUE(reaches(command, ApicMode::xapic, false, xapic(4)));
    EXPECT_FALSE(reaches(command, ApicMode::xapic, false, {}));
    // Not valid with INIT and start-up.
    for (const Shorthand shorthand : {Shorthand::self, Shorthand::all}) {
        command.shorthand = shorthand;
        EXPECT_FALSE(reaches(command, ApicMode::xapic, true, xapic(3)));
        EXPECT_FALSE(reaches(command, ApicMode::xapic, false, xapic(3)));
    }
    command.shorthand = Shorthand::none;
    EXPECT_TRUE(reaches(command, ApicMode::xapic, true, xapic(3)));
}

} // namespace
} // namespace shadowtune::nested
