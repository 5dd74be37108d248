#include "hypervisor/nested/capabilities.hpp"
#include "tests/nested/sample_processor.hpp"

#include <gtest/gtest.h>
#include <random>

namespace {

using namespace shadowtune;
using nested::testing::all_fields;
using nested::testing::everything;
using nested::testing::sample_revision;
using vmcs::Field;
namespace msr = vmx::msr;

constexpr std::uint32_t control_msrs[]{msr::vmx_pin_based,    msr::vmx_primary,   msr::vmx_exit,
                                       msr::vmx_entry,        msr::vmx_secondary, msr::vmx_true_pin_based,
                                       msr::vmx_true_primary, msr::vmx_true_exit, msr::vmx_true_entry};

TEST(Capabilities, OffersExactlyWhatL0Emulates) {
    const auto offered{nested::offered_msrs(everything(), sample_revision)};
    EXPECT_EQ(vmx::may_be_one(offered[msr::vmx_true_pin_based]), 0x7FU);
    EXPECT_EQ(vmx::may_be_one(offered[msr::vmx_true_primary]), 0xFFF9FFFEU);
    // Virtualize APIC accesses to VMCS shadowing, RDSEED exiting, PML, #VE, XSAVES, TSC scaling.
    EXPECT_EQ(vmx::may_be_one(offered[msr::vmx_secondary]), 0x02177FFFU);
    EXPECT_EQ(vmx::may_be_one(offered[msr::vmx_true_exit]), 0x407FFFFFU);
    EXPECT_EQ(vmx::may_be_one(offered[msr::vmx_true_entry]), 0x0000F3FFU);
    EXPECT_EQ(offered[msr::vmx_ept_vpid_cap], 0x00000F0106334141U);
    EXPECT_EQ(offered[msr::vmx_vmfunc], 1U);
    EXPECT_EQ(offered[msr::vmx_tertiary], 0U);
    EXPECT_EQ(offered[msr::vmx_exit2], 0U);
}

TEST(Capabilities, NeverOffersWhatTheProcessorLacksNorFreesWhatItForces) {
    std::mt19937_64 random{6};
    for (unsigned round{0}; round < 500; ++round) {
        auto hardware{everything()};
        for (const std::uint32_t number : control_msrs) {
            const auto forced{static_cast<std::uint32_t>(hardware[number])};
            const auto allowed{static_cast<std::uint32_t>(random())};
            hardware[number] = (std::uint64_t{allowed | forced} << 32) | forced;
        }
        hardware[msr::vmx_ept_vpid_cap] = random();
        hardware[msr::vmx_misc] = random();
        const auto offered{nested::offered_msrs(hardware, sample_revision)};
        for (const std::uint32_t number : control_msrs) {
            ASSERT_EQ(vmx::may_be_one(offered[number]) & ~vmx::may_be_one(hardware[number]), 0U);
            ASSERT_EQ(vmx::must_be_one(offered[number]) & ~vmx::may_be_one(offered[number]), 0U);
            const bool absent{number == msr::vmx_secondary && offered[number] == 0};
            if (!absent) {
                ASSERT_EQ(vmx::must_be_one(offered[number]), vmx::must_be_one(hardware[number]));
            }
        }
        ASSERT_EQ(offered[msr::vmx_ept_vpid_cap] & ~hardware[msr::vmx_ept_vpid_cap], 0U);
        const bool ept{(vmx::may_be_one(offered[msr::vmx_secondary]) & vmx::secondary::enable_ept) != 0};
        const bool vpid{(vmx::may_be_one(offered[msr::vmx_secondary]) & vmx::secondary::enable_vpid) != 0};
        const bool unrestricted{
            (vmx::may_be_one(offered[msr::vmx_secondary]) & vmx::secondary::unrestricted_guest) != 0};
        ASSERT_TRUE(ept || static_cast<std::uint32_t>(offered[msr::vmx_ept_vpid_cap]) == 0);
        ASSERT_TRUE(vpid || (offered[msr::vmx_ept_vpid_cap] >> 32) == 0);
        ASSERT_TRUE(ept || !unrestricted);
    }
}

TEST(Capabilities, Basic) {
    const auto offered{nested::offered_msrs(everything(), 0xFFFFFFFF)};
    const std::uint64_t basic{offered[msr::vmx_basic]};
    EXPECT_EQ(static_cast<std::uint32_t>(basic), 0x7FFFFFFFU); // bit 31 is always 0
    EXPECT_EQ((basic >> 32) & 0x1FFF, 4096U);
    EXPECT_EQ((basic >> 50) & 0xF, 6U);
    EXPECT_TRUE(nested::has_true_controls(offered));
    EXPECT_EQ(basic & vmx::basic::dual_monitor, 0U);
    EXPECT_NE(basic & vmx::basic::ins_outs_information, 0U);
    EXPECT_EQ(basic >> 56, 0U);
}

TEST(Capabilities, WithoutTrueControlsTheOldMsrsHold) {
    auto hardware{everything()};
    hardware[msr::vmx_basic] &= ~vmx::basic::true_controls;
    const auto offered{nested::offered_msrs(hardware, sample_revision)};
    for (std::uint32_t number{msr::vmx_true_pin_based}; number <= msr::vmx_true_entry; ++number) {
        EXPECT_EQ(offered[number], 0U);
    }
    EXPECT_EQ(nested::primary_capability(offered), offered[msr::vmx_primary]);
    EXPECT_EQ(vmx::must_be_one(nested::primary_capability(offered)), vmx::primary::default1);
    EXPECT_NE(offered[msr::vmx_secondary], 0U);
}

TEST(Capabilities, Misc) {
    auto hardware{everything()};
    hardware[msr::vmx_misc] = ~std::uint64_t{0};
    std::uint64_t misc{nested::offered_msrs(hardware, sample_revision)[msr::vmx_misc]};
    // Rate 31, EFER.LMA, HLT, shutdown, wait-for-SIPI, 4 CR3 targets (the catalogue has no more), list size
    // 7, bits 29 and 30.
    EXPECT_EQ(misc, 0x6E0401FFU);
    hardware[msr::vmx_misc] = 2U << 16;
    misc = nested::offered_msrs(hardware, sample_revision)[msr::vmx_misc];
    EXPECT_EQ(misc, 2U << 16);
}

TEST(Capabilities, FixedBitsPassThrough) {
    const auto hardware{everything()};
    const auto offered{nested::offered_msrs(hardware, sample_revision)};
    for (std::uint32_t number{msr::vmx_cr0_fixed0}; number <= msr::vmx_cr4_fixed1; ++number) {
        EXPECT_EQ(offered[number], hardware[number]);
    }
}

TEST(Capabilities, FieldsFollowTheOfferedControls) {
    const auto offered{nested::offered_msrs(everything(), sample_revision)};
    const auto fields{nested::offered_fields(all_fields(), offered)};
    for (const Field field : {Field::guest_rip,
                              Field::ept_pointer,
                              Field::guest_pdpte_3,
                              Field::virtual_processor_identifier,
                              Field::msr_bitmap,
                              Field::tpr_threshold,
                              Field::eoi_exit_bitmap_3,
                              Field::guest_interrupt_status,
                              Field::vmx_preemption_timer_value,
                              Field::guest_ia32_pat,
                              Field::host_ia32_efer,
                              Field::guest_ia32_perf_global_ctrl,
                              Field::host_ia32_perf_global_ctrl,
                              Field::vmread_bitmap,
                              Field::vmwrite_bitmap,
                              Field::vm_function_controls,
                              Field::eptp_list_address,
                              Field::eptp_index,
                              Field::pml_address,
                              Field::pml_index,
                              Field::virtualization_exception_address,
                              Field::tsc_multiplier,
                              Field::xss_exiting_bitmap,
                              Field::ple_gap,
                              Field::cr3_target_value_3,
                              Field::vm_instruction_error,
                              Field::vmcs_link_pointer}) {
        EXPECT_TRUE(fields.test(field)) << vmcs::info(field).symbol;
    }
    for (const Field field :
         {Field::posted_interrupt_notification_vector, Field::encls_exiting_bitmap,
          Field::sub_page_permission_table_pointer, Field::tertiary_processor_based_controls,
          Field::secondary_vm_exit_controls, Field::guest_ia32_bndcfgs, Field::guest_ssp,
          Field::host_ia32_s_cet, Field::guest_uinv, Field::host_ia32_fred_config, Field::seam_guest_keyid,
          Field::hlat_pointer}) {
        EXPECT_FALSE(fields.test(field)) << vmcs::info(field).symbol;
    }
}

TEST(Capabilities, FieldsOfTheWholeProcessorAreAllButSeams) {
    const auto fields{nested::offered_fields(all_fields(), everything())};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        EXPECT_EQ(fields.test(i), vmcs::catalogue[i].capability != vmcs::Capability::seam)
            << vmcs::catalogue[i].symbol;
    }
}

// Taking one control from L1 takes the fields that need it, and no other.
TEST(Capabilities, EachControlCarriesItsOwnFields) {
    struct Dependence {
        std::uint32_t number;
        std::uint32_t control;
        vmcs::Capability capability;
    };
    using vmcs::Capability;
    constexpr Dependence dependences[]{
        {msr::vmx_secondary, vmx::secondary::enable_ept, Capability::ept},
        {msr::vmx_secondary, vmx::secondary::enable_vpid, Capability::vpid},
        {msr::vmx_secondary, vmx::secondary::virtualize_apic_accesses, Capability::virtualize_apic_accesses},
        {msr::vmx_secondary, vmx::secondary::virtual_interrupt_delivery,
         Capability::virtual_interrupt_delivery},
        {msr::vmx_secondary, vmx::secondary::pause_loop_exiting, Capability::pause_loop_exiting},
        {msr::vmx_secondary, vmx::secondary::enable_xsaves_xrstors, Capability::xsaves},
        {msr::vmx_secondary, vmx::secondary::vmcs_shadowing, Capability::vmcs_shadowing},
        {msr::vmx_secondary, vmx::secondary::enable_pml, Capability::page_modification_logging},
        {msr::vmx_secondary, vmx::secondary::ept_violation_ve, Capability::ept_violation_ve},
        {msr::vmx_secondary, vmx::secondary::use_tsc_scaling, Capability::tsc_scaling},
        {msr::vmx_true_primary, vmx::primary::use_tpr_shadow, Capability::tpr_shadow},
        {msr::vmx_true_primary, vmx::primary::use_io_bitmaps, Capability::io_bitmaps},
        {msr::vmx_true_primary, vmx::primary::use_msr_bitmaps, Capability::msr_bitmaps},
        {msr::vmx_true_pin_based, vmx::pin::activate_preemption_timer, Capability::preemption_timer},
    };
    const auto before{
        nested::offered_fields(all_fields(), nested::offered_msrs(everything(), sample_revision))};
    for (const Dependence& dependence : dependences) {
        auto hardware{everything()};
        hardware[dependence.number] &= ~(std::uint64_t{dependence.control} << 32);
        const auto after{
            nested::offered_fields(all_fields(), nested::offered_msrs(hardware, sample_revision))};
        before.for_each([&](vmcs::FieldIndex i) {
            const Capability capability{vmcs::catalogue[i].capability};
            // Two of the others need EPT themselves.
            const bool by_ept{dependence.capability == Capability::ept &&
                              (capability == Capability::page_modification_logging ||
                               capability == Capability::ept_violation_ve)};
            const bool lost{capability == dependence.capability || by_ept};
            EXPECT_EQ(after.test(i), !lost) << vmcs::catalogue[i].symbol;
        });
    }
}

TEST(Capabilities, GuestStateExistsByEntryOrExitHostStateByExitAlone) {
    auto offered{nested::offered_msrs(everything(), sample_revision)};
    const auto drop{[&](std::uint32_t number, std::uint32_t control) {
        offered[number] &= ~(std::uint64_t{control} << 32);
    }};
    drop(msr::vmx_true_entry, vmx::entry::load_efer);
    EXPECT_TRUE(nested::has_field(vmcs::info(Field::guest_ia32_efer), offered));
    drop(msr::vmx_true_exit, vmx::exit::save_efer);
    EXPECT_FALSE(nested::has_field(vmcs::info(Field::guest_ia32_efer), offered));
    EXPECT_TRUE(nested::has_field(vmcs::info(Field::host_ia32_efer), offered));
    drop(msr::vmx_true_exit, vmx::exit::load_efer);
    EXPECT_FALSE(nested::has_field(vmcs::info(Field::host_ia32_efer), offered));
}

TEST(Capabilities, Cr3TargetsExistByTheirCount) {
    auto offered{everything()};
    offered[msr::vmx_misc] = 2U << 16;
    EXPECT_TRUE(nested::has_field(vmcs::info(Field::cr3_target_value_1), offered));
    EXPECT_FALSE(nested::has_field(vmcs::info(Field::cr3_target_value_2), offered));
}

TEST(Capabilities, NoFieldThatTheProcessorLacksIsOffered) {
    vmcs::FieldSet physical{};
    physical.set(Field::guest_rip);
    physical.set(Field::hlat_pointer);
    const auto fields{nested::offered_fields(physical, nested::offered_msrs(everything(), sample_revision))};
    EXPECT_EQ(fields.count(), 1U);
    EXPECT_TRUE(fields.test(Field::guest_rip));
}

TEST(Capabilities, HighestIndexIsThatOfTheOfferedFields) {
    auto offered{nested::offered_msrs(everything(), sample_revision)};
    const auto fields{nested::offered_fields(all_fields(), offered)};
    nested::set_highest_index(offered, fields);
    // The TSC multiplier, 2032H, has index 25.
    EXPECT_EQ(offered[msr::vmx_vmcs_enum], 25U << 1);
}

} // namespace
