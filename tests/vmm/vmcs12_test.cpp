#include "hypervisor/nested/vmcs12.hpp"
#include "tests/vmcs/sets.hpp"
#include "tests/vmm/pages.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace shadowtune::nested {
namespace {

// One page of L1's memory as the region, and L0's region beside it.
class Vmcs12Region : public ::testing::Test {
protected:
    shadowtune::testing::Pages pages{3, 0};
    shadowtune::testing::Pages sink{1, 0xFF};
    memory::MemoryRange hidden{pages.page(2), pages.end()};
    memory::L1Memory memory{memory::L0Memory{hidden, hidden}, sink.begin(), pages.end()};
    std::uint64_t region{pages.page(0)};
    std::mt19937_64 random{41};
    Vmcs12 vmcs12{};

    void fill_region() {
        for (std::size_t i{0}; i < memory::page_size; ++i)
            pages.bytes()[i] = static_cast<std::uint8_t>(random());
    }
};

TEST_F(Vmcs12Region, IsNotCurrentAtFirst) {
    EXPECT_FALSE(vmcs12.is_current());
    vmcs12.load(memory, region, {});
    EXPECT_TRUE(vmcs12.is_current());
    EXPECT_EQ(vmcs12.address(), region);
    vmcs12.forget();
    EXPECT_FALSE(vmcs12.is_current());
}

TEST_F(Vmcs12Region, LoadTakesNoMoreBitsThanAFieldHasAndNoFieldThatIsNotOffered) {
    for (unsigned round{0}; round < 20; ++round) {
        fill_region();
        const vmcs::FieldSet offered{vmcs::testing::random_fields(random, 2)};
        vmcs12.load(memory, region, offered);
        unsigned not_zero{0};
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            const std::uint64_t value{vmcs12.get(i)};
            ASSERT_TRUE(value == 0 || offered.test(i)) << vmcs::catalogue[i].symbol;
            ASSERT_EQ(value & ~vmcs::value_mask(vmcs::catalogue[i].width), 0U) << vmcs::catalogue[i].symbol;
            not_zero += value != 0 ? 1U : 0U;
        }
        EXPECT_GT(not_zero, 50U); // what is offered did come
        EXPECT_EQ(vmcs12.dirty(), offered);
        EXPECT_TRUE(vmcs12.in_vmcs02().empty());
    }
}

TEST_F(Vmcs12Region, TheShadowIndicatorIsThatOfVmptrld) {
    memory.write32(region, 0x5354'0001);
    vmcs12.load(memory, region, {});
    EXPECT_FALSE(vmcs12.is_shadow());
    memory.write32(region, 0xD354'0001);
    EXPECT_FALSE(vmcs12.is_shadow());
    vmcs12.load(memory, region, {});
    EXPECT_TRUE(vmcs12.is_shadow());
    vmcs12.store(memory);
    EXPECT_EQ(memory.read32(region), 0xD354'0001);
}

// A field of a region that is not current, by either way.
TEST_F(Vmcs12Region, AFieldInTheRegionIsThatOfTheVmcs) {
    const vmcs::FieldSet all{vmcs::testing::all_fields()};
    fill_region();
    vmcs12.load(memory, region, all);
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        ASSERT_EQ(read_region_field(memory, region, i), vmcs12.get(i)) << vmcs::catalogue[i].symbol;
    }
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        write_region_field(memory, region, i, i + 1U);
    vmcs12.load(memory, region, all);
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const std::uint64_t mask{vmcs::value_mask(vmcs::catalogue[i].width)};
        ASSERT_EQ(vmcs12.get(i), (i + 1U) & mask) << vmcs::catalogue[i].symbol;
    }
}

TEST_F(Vmcs12Region, WhatIsStoredIsLoadedAgain) {
    for (unsigned round{0}; round < 20; ++round) {
        fill_region();
        const vmcs::FieldSet offered{round == 0 ? vmcs::testing::all_fields()
                                                : vmcs::testing::random_fields(random, 1 + round % 3)};
        vmcs12.load(memory, region, offered);
        offered.for_each([&](vmcs::FieldIndex field) {
            vmcs12.write(field, random() & vmcs::value_mask(vmcs::catalogue[field].width));
        });
        vmcs12.launched = round % 2 == 0;
        vmcs12.store(memory);

        Vmcs12 again{};
        again.load(memory, region, offered);
        EXPECT_EQ(again.launched, vmcs12.launched);
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            ASSERT_EQ(again.get(i), vmcs12.get(i)) << vmcs::catalogue[i].symbol;
        }
    }
}

TEST_F(Vmcs12Region, StoreStaysInTheRegionAndOffItsHeader) {
    fill_region();
    std::uint8_t before[memory::page_size];
    std::memcpy(before, pages.bytes(), sizeof(before));
    vmcs12.load(memory, region, vmcs::testing::all_fields());
    vmcs12.launched = true;
    vmcs12.store(memory);
    // Revision identifier and abort indicator are the SDM's (Vol. 3C, Table 25-1), not ours to write.
    EXPECT_EQ(std::memcmp(pages.bytes(), before, 8), 0);
    for (std::size_t i{memory::page_size}; i < 3 * memory::page_size; ++i)
        ASSERT_EQ(pages.bytes()[i], 0);
}

TEST_F(Vmcs12Region, ChangesOfTheRegionMeanwhileHaveNoEffect) {
    vmcs12.load(memory, region, vmcs::testing::all_fields());
    vmcs12.write(vmcs::index_of(F::guest_rip), 0x1234);
    fill_region();
    EXPECT_EQ(vmcs12.get(F::guest_rip), 0x1234U);
    vmcs12.store(memory);
    Vmcs12 again{};
    again.load(memory, region, vmcs::testing::all_fields());
    EXPECT_EQ(again.get(F::guest_rip), 0x1234U);
    EXPECT_EQ(again.get(F::guest_rsp), 0U);
}

TEST_F(Vmcs12Region, TheLaunchStateIsLaunchedByOneValueOnly) {
    constexpr std::uint64_t launched_offset{8};
    for (const std::uint32_t state : {0U, 1U, 2U, 0x100U, ~0U}) {
        memory.write32(region + launched_offset, state);
        vmcs12.load(memory, region, {});
        EXPECT_EQ(vmcs12.launched, state == 1) << state;
    }
}

TEST_F(Vmcs12Region, ClearChangesTheLaunchStateOfARegionAndNothingElse) {
    fill_region();
    vmcs12.load(memory, region, vmcs::testing::all_fields());
    vmcs12.launched = true;
    vmcs12.store(memory);
    std::uint8_t before[memory::page_size];
    std::memcpy(before, pages.bytes(), sizeof(before));
    clear_vmcs12_region(memory, region);
    std::memset(before + 8, 0, 4);
    EXPECT_EQ(std::memcmp(pages.bytes(), before, sizeof(before)), 0);
    vmcs12.load(memory, region, {});
    EXPECT_FALSE(vmcs12.launched);
}

TEST_F(Vmcs12Region, ARegionInL0sMemoryIsTheSink) {
    vmcs12.load(memory, hidden.begin, vmcs::testing::all_fields());
    vmcs12.write(vmcs::index_of(F::guest_rip), 0x1234);
    vmcs12.store(memory);
    for (std::size_t i{2 * memory::page_size}; i < 3 * memory::page_size; ++i)
        ASSERT_EQ(pages.bytes()[i], 0);
}

TEST_F(Vmcs12Region, KnowsWhoHasAValueAndWhoMustFollow) {
    const vmcs::FieldIndex rip{vmcs::index_of(F::guest_rip)};
    vmcs12.load(memory, region, vmcs::testing::all_fields());
    vmcs12.clean();
    EXPECT_TRUE(vmcs12.dirty().empty());

    vmcs::FieldSet saved{};
    saved.set(F::guest_rip);
    saved.set(F::guest_rsp);
    saved.set(F::guest_rflags);
    vmcs12.left_in_vmcs02(saved);
    EXPECT_EQ(vmcs12.in_vmcs02(), saved);

    vmcs12.fetched(vmcs::index_of(F::guest_rsp), 0x5000); // L1 read it: both have it now
    vmcs12.leave(F::guest_rflags, 0x2);                   // an exit's own value: vmcs02 need not follow
    vmcs12.write(rip, 0x6000);                            // L1's value replaces vmcs02's
    EXPECT_TRUE(vmcs12.in_vmcs02().empty());
    EXPECT_EQ(vmcs12.get(F::guest_rsp), 0x5000U);
    EXPECT_EQ(vmcs12.get32(F::guest_rflags), 0x2U);
    EXPECT_EQ(vmcs12.get(rip), 0x6000U);
    vmcs::FieldSet dirty{};
    dirty.set(rip);
    EXPECT_EQ(vmcs12.dirty(), dirty);
}

TEST_F(Vmcs12Region, AWriteOfTheSameValueChangesNothing) {
    const vmcs::FieldIndex rip{vmcs::index_of(F::guest_rip)};
    vmcs12.load(memory, region, vmcs::testing::all_fields());
    vmcs12.write(rip, 0x6000);
    vmcs12.clean();
    vmcs12.write(rip, 0x6000);
    EXPECT_TRUE(vmcs12.dirty().empty());
    EXPECT_EQ(vmcs12.dirty_groups(), 0);

    // L2 has moved on: the value here is of before.
    vmcs::FieldSet saved{};
    saved.set(rip);
    vmcs12.left_in_vmcs02(saved);
    vmcs12.write(rip, 0x6000);
    EXPECT_EQ(vmcs12.dirty(), saved);
    EXPECT_TRUE(vmcs12.in_vmcs02().empty());
}

TEST(Vmcs12Values, DifferInTheFieldsThatDoNotAgree) {
    std::mt19937_64 random{43};
    Vmcs12Values a{};
    for (std::uint64_t& value : a.values)
        value = random();
    EXPECT_TRUE(difference(a, a).empty());
    for (unsigned round{0}; round < 20; ++round) {
        const vmcs::FieldSet changed{vmcs::testing::random_fields(random, 1 + round % 3)};
        Vmcs12Values b{a};
        changed.for_each([&](vmcs::FieldIndex field) { b.values[field] ^= 1ULL << (random() % 64); });
        EXPECT_EQ(difference(a, b), changed);
    }
}

} // namespace
} // namespace shadowtune::nested
