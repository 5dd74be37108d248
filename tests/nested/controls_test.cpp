#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <gtest/gtest.h>
#include <initializer_list>

namespace {

using namespace shadowtune;

std::uint32_t bits(std::initializer_list<unsigned> numbers) {
    std::uint32_t value{0};
    for (const unsigned number : numbers)
        value |= std::uint32_t{1} << number;
    return value;
}

// The default1 classes as Vol. 3D, A.3 to A.5 lists them, bit by bit.
TEST(Controls, Default1ClassesAreTheSdms) {
    EXPECT_EQ(vmx::pin::default1, bits({1, 2, 4}));
    EXPECT_EQ(vmx::primary::default1, bits({1, 4, 5, 6, 8, 13, 14, 15, 16, 26}));
    EXPECT_EQ(vmx::exit::default1, bits({0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 16, 17}));
    EXPECT_EQ(vmx::entry::default1, bits({0, 1, 2, 3, 4, 5, 6, 7, 8, 12}));
}

TEST(Controls, AdjustAddsWhatIsForcedAndDropsWhatIsNotThere) {
    constexpr std::uint64_t capability{0x000000FF00000016};
    EXPECT_EQ(vmx::adjust(0x101, capability), 0x17U);
    EXPECT_EQ(vmx::adjust(0, capability), 0x16U);
    EXPECT_EQ(vmx::adjust(0xFFFFFFFF, capability), 0xFFU);
}

TEST(Controls, EachBitIsAllowedByItsOwnTwoCapabilityBits) {
    for (unsigned bit{0}; bit < 32; ++bit) {
        const std::uint32_t value{std::uint32_t{1} << bit};
        EXPECT_FALSE(vmx::is_allowed(value, 0)) << bit;
        EXPECT_TRUE(vmx::is_allowed(value, std::uint64_t{value} << 32)) << bit;
        EXPECT_TRUE(vmx::is_allowed(0, std::uint64_t{value} << 32)) << bit;
        EXPECT_FALSE(vmx::is_allowed(0, (std::uint64_t{value} << 32) | value)) << bit;
    }
}

TEST(Controls, FixedBits) {
    EXPECT_TRUE(vmx::is_fixed_ok(0x80000031, 0x80000021, 0xFFFFFFFF));
    EXPECT_FALSE(vmx::is_fixed_ok(0x80000011, 0x80000021, 0xFFFFFFFF));
    EXPECT_FALSE(vmx::is_fixed_ok(0x180000031, 0x80000021, 0xFFFFFFFF));
}

TEST(ExitInformation, InterruptionInformationRoundTrip) {
    for (unsigned type{0}; type < 8; ++type) {
        for (const std::uint8_t vector : {std::uint8_t{0}, std::uint8_t{14}, std::uint8_t{255}}) {
            const auto event{static_cast<vmx::EventType>(type)};
            const std::uint32_t information{vmx::interruption::make(vector, event, type == 3)};
            EXPECT_TRUE(vmx::interruption::is_valid(information));
            EXPECT_EQ(vmx::interruption::vector(information), vector);
            EXPECT_EQ(vmx::interruption::type(information), event);
            EXPECT_EQ(vmx::interruption::has_error_code(information), type == 3);
        }
    }
    EXPECT_EQ(vmx::interruption::make(14, vmx::EventType::hardware_exception, true), 0x80000B0EU);
}

TEST(ExitInformation, Qualifications) {
    const vmx::CrAccess mov{0x0D03}; // MOV to CR3 from R13
    EXPECT_EQ(mov.number(), 3U);
    EXPECT_EQ(mov.type(), vmx::CrAccessType::mov_to_cr);
    EXPECT_EQ(mov.gpr(), 13U);
    const vmx::CrAccess lmsw{0xBEEF0070};
    EXPECT_EQ(lmsw.type(), vmx::CrAccessType::lmsw);
    EXPECT_TRUE(lmsw.lmsw_from_memory());
    EXPECT_EQ(lmsw.lmsw_source(), 0xBEEFU);
    const vmx::DrAccess dr{0x0217}; // MOV from DR7 to RDX
    EXPECT_EQ(dr.number(), 7U);
    EXPECT_TRUE(dr.from_dr());
    EXPECT_EQ(dr.gpr(), 2U);
    const vmx::IoAccess io{0x03F8003B}; // REP INSD from 3F8H
    EXPECT_EQ(io.port(), 0x3F8U);
    EXPECT_EQ(io.size(), 4U);
    EXPECT_TRUE(io.is_in() && io.is_string() && io.is_rep());
    EXPECT_FALSE(io.is_immediate());
}

} // namespace
