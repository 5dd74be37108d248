#include "hypervisor/nested/field_classes.hpp"
#include "tests/nested/sample_processor.hpp"

#include <gtest/gtest.h>
#include <string>

namespace shadowtune::nested {
namespace {

[[nodiscard]] std::string names(const vmcs::FieldSet& fields) {
    std::string text;
    fields.for_each(
        [&](vmcs::FieldIndex field) { text += " " + std::string{vmcs::catalogue[field].symbol}; });
    return text;
}

[[nodiscard]] vmcs::FieldSet of_type(vmcs::Type type) {
    vmcs::FieldSet set{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        if (vmcs::catalogue[i].type == type) set.set(i);
    }
    return set;
}

// What L1 may be offered on a processor that has everything.
[[nodiscard]] vmcs::FieldSet most_offered() {
    return offered_fields(testing::all_fields(),
                          offered_msrs(testing::everything(), testing::sample_revision));
}

TEST(FieldClasses, NoFieldReachesVmcs02InTwoWays) {
    EXPECT_EQ(names(direct_fields & conditional_guest_fields), "");
    EXPECT_EQ(names(direct_fields & combined_fields), "");
    EXPECT_EQ(names(conditional_guest_fields & combined_fields), "");
}

TEST(FieldClasses, EachGuestStateFieldIsDirectOrConditional) {
    const vmcs::FieldSet guest{of_type(vmcs::Type::guest_state)};
    EXPECT_EQ(names(guest - (direct_fields | conditional_guest_fields)), "");
    EXPECT_EQ(names(conditional_guest_fields - guest), "");
}

// A control that L1 can set must reach vmcs02, or L0 acts on it itself. A new one in neither place would be
// ignored.
TEST(FieldClasses, EachOfferedControlReachesVmcs02OrIsL0sOwnWork) {
    // MSR lists are walked by L0; the rest belongs to features that L0 does in software or hides.
    const vmcs::FieldSet by_l0{detail::set_of(
        F::vm_exit_msr_store_address, F::vm_exit_msr_load_address, F::vm_entry_msr_load_address,
        F::vm_exit_msr_load_count, F::vm_entry_msr_load_count, F::executive_vmcs_pointer, F::vmread_bitmap,
        F::vmwrite_bitmap, F::vm_function_controls, F::eptp_list_address, F::eptp_index, F::pml_address,
        F::virtualization_exception_address)};
    const vmcs::FieldSet controls{most_offered() & of_type(vmcs::Type::control)};
    EXPECT_EQ(names(controls - direct_fields - combined_fields - by_l0), "");
    EXPECT_EQ(names(by_l0 & (direct_fields | combined_fields)), "");
}

TEST(FieldClasses, ChecksLookAtTheControlsAndTheHostState) {
    EXPECT_EQ(control_fields, of_type(vmcs::Type::control));
    EXPECT_EQ(host_fields, of_type(vmcs::Type::host_state));
}

TEST(FieldClasses, OnlyGuestStateIsSavedAndOnlyWhatAnExitAlwaysSaves) {
    const vmcs::FieldSet guest{of_type(vmcs::Type::guest_state)};
    EXPECT_EQ(names(always_saved_fields - guest), "");
    EXPECT_EQ(names(always_saved_fields & conditional_guest_fields), "");
    // Each of these needs a VM-exit control (SDM Vol. 3C, 28.3.1), or is the SMM monitor's.
    for (const F field : {F::guest_ia32_pat, F::guest_ia32_efer, F::guest_ia32_debugctl, F::guest_dr7,
                          F::guest_ia32_perf_global_ctrl, F::vmx_preemption_timer_value, F::guest_smbase}) {
        EXPECT_FALSE(always_saved_fields.test(field)) << vmcs::info(field).symbol;
    }
    for (const F field :
         {F::guest_rip, F::guest_rsp, F::guest_rflags, F::guest_cr0, F::guest_cr3, F::guest_cr4,
          F::guest_interruptibility_state, F::guest_activity_state, F::guest_cs_access_rights}) {
        EXPECT_TRUE(always_saved_fields.test(field)) << vmcs::info(field).symbol;
    }
}

TEST(FieldClasses, TheExitsDescriptionIsReadOnlyDataWithoutTheInstructionError) {
    vmcs::FieldSet expected{of_type(vmcs::Type::read_only_data)};
    expected.clear(F::vm_instruction_error);
    EXPECT_EQ(exit_information_fields, expected);
}

// L0 runs with its own host state; of L1's only what does not disturb L0 is left to the processor.
TEST(FieldClasses, OfTheHostStateOnlyPatAndPerfGlobalCtrlReachVmcs02) {
    const vmcs::FieldSet host{of_type(vmcs::Type::host_state)};
    EXPECT_EQ(names(host & (direct_fields | combined_fields)), " host_ia32_pat host_ia32_perf_global_ctrl");
}

} // namespace
} // namespace shadowtune::nested
