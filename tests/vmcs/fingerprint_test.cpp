#include "tests/vmcs/sets.hpp"
#include "vmcs/fingerprint.hpp"

#include <gtest/gtest.h>

namespace shadowtune::vmcs {
namespace {

constexpr FieldIndex rip{index_of(Field::guest_rip)}, rsp{index_of(Field::guest_rsp)};

TEST(Fingerprint, KeepsTheOrderOfFirstAccesses) {
    Fingerprint print{};
    EXPECT_TRUE(print.add({rsp, true}));
    EXPECT_TRUE(print.add({rip, true}));
    EXPECT_TRUE(print.add({rsp, false}));
    EXPECT_FALSE(print.add({rsp, true})) << "was there before";
    EXPECT_FALSE(print.add({no_field, true}));
    EXPECT_FALSE(print.add({field_count, false}));
    ASSERT_EQ(print.size(), 3U);
    EXPECT_EQ(print[0], (Fingerprint::Access{rsp, true}));
    EXPECT_EQ(print[1], (Fingerprint::Access{rip, true}));
    EXPECT_EQ(print[2], (Fingerprint::Access{rsp, false}));
    EXPECT_EQ(print.written().count(), 2U);
    EXPECT_TRUE(print.read().test(rsp));
    EXPECT_FALSE(print.read().test(rip));
}

TEST(Fingerprint, HasRoomForEveryAccess) {
    Fingerprint print{};
    for (const bool write : {false, true}) {
        for (FieldIndex i{0}; i < field_count; ++i)
            EXPECT_TRUE(print.add({i, write}));
    }
    EXPECT_EQ(print.size(), Fingerprint::capacity);
    EXPECT_EQ(print.read(), testing::all_fields());
    EXPECT_EQ(print.written(), testing::all_fields());
    EXPECT_EQ(print[field_count], (Fingerprint::Access{0, true}));
}

TEST(Fingerprint, IsEqualWhereAllOfItIs) {
    Fingerprint one{}, other{};
    one.add({rip, true});
    one.add({rsp, true});
    other.add({rsp, true});
    other.add({rip, true});
    EXPECT_NE(one, other) << "another order";
    other = one;
    EXPECT_EQ(one, other);
    other.controls.tertiary = 1;
    EXPECT_NE(one, other);
    other = one;
    other.offered.set(rip);
    EXPECT_NE(one, other);
}

// SDM Vol. 3C, Table 25-7.
TEST(LaunchMode, IsReadFromTheSecondaryControls) {
    const auto mode{[](std::uint32_t secondary) { return mode_of({0, 0, secondary, 0, 0, 0}); }};
    EXPECT_EQ(mode(0), (LaunchMode{false, false, false}));
    EXPECT_EQ(mode(0x2), (LaunchMode{true, false, false}));
    EXPECT_EQ(mode(0x82), (LaunchMode{true, false, true}));
    EXPECT_EQ(mode(0x382), (LaunchMode{true, true, true}));
    EXPECT_EQ(text(mode(0)), "shadow paging");
    EXPECT_EQ(text(mode(0x200)), "shadow paging, APIC-v");
    EXPECT_EQ(text(mode(0x82)), "EPT");
    EXPECT_EQ(text(mode(0x382)), "EPT, APIC-v");
    EXPECT_EQ(text(mode(0x2)), "EPT, no unrestricted guest");
    EXPECT_EQ(text(mode(0x202)), "EPT, APIC-v, no unrestricted guest");
}

} // namespace
} // namespace shadowtune::vmcs
