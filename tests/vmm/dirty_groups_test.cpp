#include "hypervisor/nested/dirty_groups.hpp"
#include "hypervisor/nested/host_image.hpp"
#include "hypervisor/nested/plan.hpp"
#include "hypervisor/nested/vmcs12.hpp"
#include "tests/nested/entry_sample.hpp"
#include "tests/vmcs/sets.hpp"

#include <gtest/gtest.h>
#include <random>

namespace shadowtune::nested {
namespace {

// A vmcs12 that changes field by field at random, and at times back to one that passes, beside what an entry
// remembers of it.
class ChangingVmcs12 : public ::testing::Test {
protected:
    ChangingVmcs12() {
        sample.secondary(vmx::secondary::unrestricted_guest);
        sample.primary(vmx::primary::use_tpr_shadow);
        good = sample.vmcs12;
        vmcs12.restore(sample.context.current_vmcs, good, {}, vmcs::testing::all_fields());
    }

    void change() {
        const auto field{static_cast<vmcs::FieldIndex>(random() % vmcs::field_count)};
        const vmcs::FieldInfo& info{vmcs::catalogue[field]};
        std::uint64_t value{good.values[field]};
        switch (random() % 8) {
        case 0: value ^= std::uint64_t{1} << random() % 64; break;
        case 1: value = random(); break;
        case 2: value = random() % 8; break;
        case 3: value = vmcs12.get(field) ^ std::uint64_t{1} << random() % 32; break;
        default: break; // back to the good one
        }
        vmcs12.write(field, value & vmcs::value_mask(info.width));
    }
    void mend() {
        for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
            if (vmcs12.get(field) != good.values[field]) vmcs12.write(field, good.values[field]);
        }
    }

    testing::EntrySample sample{};
    Vmcs12Values good{};
    Vmcs12 vmcs12{};
    std::mt19937_64 random{11};
};

// A field that a check looks at and that is in the wrong group, or in none, would be found here.
TEST_F(ChangingVmcs12, WhatHasChangedIsCheckedAsIfAllWere) {
    unsigned passed{0}, refused{0};
    for (unsigned entry{0}; entry < 100000; ++entry) {
        change();
        sample.vmcs12 = vmcs12.values();
        sample.context.vtpr = static_cast<std::uint8_t>(random());
        sample.context.vtpr_known = needs_vtpr(sample.vmcs12);
        const DirtyGroups changed{vmcs12.dirty_groups()};
        const bool controls{
            check_changed_controls(changed, sample.vmcs12, sample.offered, sample.processor, sample.context)
                .ok()};
        ASSERT_EQ(controls, sample.controls().ok()) << sample.controls().error().rule;
        const bool host{(changed & group::host) == 0 || sample.host().ok()};
        ASSERT_EQ(host, sample.host().ok()) << sample.host().error().rule;
        if (controls && host) {
            vmcs12.clean();
            ++passed;
        } else {
            ++refused;
            if (random() % 2 == 0) mend();
        }
    }
    EXPECT_GT(passed, 10000U);
    EXPECT_GT(refused, 5000U);
}

TEST_F(ChangingVmcs12, PlanAndHostImageAreThoseOfAllFields) {
    const vmcs::FieldSet offered{vmcs::testing::all_fields()};
    Plan plan{};
    HostImage image{};
    for (unsigned entry{0}; entry < 20000; ++entry) {
        if ((vmcs12.dirty_groups() & group::controls) != 0) plan = make_plan(vmcs12.values(), offered);
        if ((vmcs12.dirty_groups() & group::host) != 0) image = make_host_image(vmcs12.values());
        vmcs12.clean();
        const Plan whole{make_plan(vmcs12.values(), offered)};
        ASSERT_TRUE(plan == whole) << "entry " << entry;
        const HostImage loaded{make_host_image(vmcs12.values())};
        ASSERT_TRUE(image == loaded) << "entry " << entry;
        change();
    }
}

// What vmcs02 has as it is or makes of several fields must be written again.
TEST(DirtyGroups, EachFieldThatVmcs02HoldsIsInAGroup) {
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        const DirtyGroups groups{dirty_groups_of[field]};
        EXPECT_EQ((groups & group::direct) != 0, direct_fields.test(field)) << vmcs::catalogue[field].symbol;
        if (combined_fields.test(field)) {
            EXPECT_NE(groups & group::controls, 0) << vmcs::catalogue[field].symbol;
        }
    }
}

// 28.5 for a 64-bit and a 32-bit host.
TEST(HostImage, HoldsWhatAnExitLoads) {
    testing::EntrySample sample{};
    sample.set(F::host_fs_selector, 0x20);
    sample.set(F::host_fs_base, 0x1234);
    const auto at{[](const HostImage& image, F field) -> std::uint64_t {
        for (std::size_t i{0}; i < host_image_fields.size(); ++i) {
            if (host_image_fields[i] == field) return image.values[i];
        }
        ADD_FAILURE() << vmcs::info(field).symbol;
        return 0;
    }};
    const HostImage image{make_host_image(sample.vmcs12)};
    EXPECT_TRUE(image.is_64bit);
    EXPECT_FALSE(image.has_pae_paging);
    EXPECT_EQ(at(image, F::guest_cs_selector), 0x10U);
    EXPECT_EQ(at(image, F::guest_cs_access_rights), 0xA09BU);
    EXPECT_EQ(at(image, F::guest_ss_access_rights), 0x10000U); // a null selector
    EXPECT_EQ(at(image, F::guest_fs_selector), 0x20U);
    EXPECT_EQ(at(image, F::guest_fs_base), 0x1234U);
    EXPECT_EQ(at(image, F::guest_fs_access_rights), 0xC093U);
    EXPECT_EQ(at(image, F::guest_tr_access_rights), 0x8BU);
    EXPECT_EQ(at(image, F::guest_tr_limit), 0x67U);
    EXPECT_EQ(at(image, F::guest_rip), 0xFFFF'FFFF'8100'0000U);
    EXPECT_EQ(at(image, F::guest_rflags), 2U);
    EXPECT_EQ(at(image, F::guest_dr7), 0x400U);
    EXPECT_EQ(at(image, F::guest_cr4), 0x2020U);
    EXPECT_EQ(at(image, F::cr4_read_shadow), 0x2020U);

    constexpr std::uint64_t pcide{1U << 17}, pae{1U << 5};
    sample.remove(F::primary_vm_exit_controls, vmx::exit::host_address_space_size);
    sample.set(F::host_cr4, 0x2000 | pcide | pae);
    const HostImage legacy{make_host_image(sample.vmcs12)};
    EXPECT_FALSE(legacy.is_64bit);
    EXPECT_TRUE(legacy.has_pae_paging);
    EXPECT_EQ(at(legacy, F::guest_cs_access_rights), 0xC09BU);
    EXPECT_EQ(at(legacy, F::guest_cr4), 0x2000 | pae);
}

} // namespace
} // namespace shadowtune::nested
