// Controls that bring fields of their own: VMCS shadowing, VM functions, page-modification logging, #VE, TSC
// scaling. SDM Vol. 3C, 27.2.1.1 and 27.3.1.5 (edition 325462-087).

#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
using nested::testing::sample_revision;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;

using S = EntrySample;
constexpr std::uint64_t beyond{std::uint64_t{1} << 40}; // MAXPHYADDR is 40 in the sample

void eptp_switching(S& s, std::uint64_t list) {
    s.secondary(secondary::enable_vm_functions);
    s.set(Field::vm_function_controls, vmx::vm_function::eptp_switching);
    s.set(Field::eptp_list_address, list);
}

constexpr EntryCase feature_cases[]{
    {"shadowing", [](S& s) { s.secondary(secondary::vmcs_shadowing); }, {}},
    {"VMREAD bitmap askew",
     [](S& s) {
         s.secondary(secondary::vmcs_shadowing);
         s.set(Field::vmread_bitmap, 0x800);
     },
     Field::vmread_bitmap},
    {"VMWRITE bitmap beyond",
     [](S& s) {
         s.secondary(secondary::vmcs_shadowing);
         s.set(Field::vmwrite_bitmap, beyond);
     },
     Field::vmwrite_bitmap},
    {"bitmaps unused",
     [](S& s) {
         s.set(Field::vmread_bitmap, 7);
         s.set(Field::vmwrite_bitmap, beyond);
     },
     {}},
    {"VM functions without any", [](S& s) { s.secondary(secondary::enable_vm_functions); }, {}},
    {"EPTP switching", [](S& s) { eptp_switching(s, 0x3000); }, {}},
    {"EPTP list askew", [](S& s) { eptp_switching(s, 0x3008); }, Field::eptp_list_address},
    {"EPTP list beyond", [](S& s) { eptp_switching(s, beyond); }, Field::eptp_list_address},
    {"EPTP list unused",
     [](S& s) {
         s.secondary(secondary::enable_vm_functions);
         s.set(Field::eptp_list_address, 7);
     },
     {}},
    {"EPTP switching without EPT",
     [](S& s) {
         eptp_switching(s, 0x3000);
         s.remove(Field::secondary_processor_based_controls, secondary::enable_ept);
     },
     Field::vm_function_controls},
    {"a VM function that is not there",
     [](S& s) {
         s.secondary(secondary::enable_vm_functions);
         s.set(Field::vm_function_controls, 2);
     },
     Field::vm_function_controls},
    {"VM-function controls unused", [](S& s) { s.set(Field::vm_function_controls, 2); }, {}},
    {"PML", [](S& s) { s.secondary(secondary::enable_pml); }, {}},
    {"PML askew",
     [](S& s) {
         s.secondary(secondary::enable_pml);
         s.set(Field::pml_address, 8);
     },
     Field::pml_address},
    {"PML without EPT", [](S& s) { s.set(Field::secondary_processor_based_controls, secondary::enable_pml); },
     Field::secondary_processor_based_controls},
    {"PML unused", [](S& s) { s.set(Field::pml_address, 8); }, {}},
    {"#VE", [](S& s) { s.secondary(secondary::ept_violation_ve); }, {}},
    {"#VE information beyond",
     [](S& s) {
         s.secondary(secondary::ept_violation_ve);
         s.set(Field::virtualization_exception_address, beyond);
     },
     Field::virtualization_exception_address},
    {"#VE information unused", [](S& s) { s.set(Field::virtualization_exception_address, beyond); }, {}},
    {"TSC scaling by nothing", [](S& s) { s.secondary(secondary::use_tsc_scaling); }, Field::tsc_multiplier},
    {"TSC scaling",
     [](S& s) {
         s.secondary(secondary::use_tsc_scaling);
         s.set(Field::tsc_multiplier, 1);
     },
     {}},
    {"shadowing not activated",
     [](S& s) {
         s.secondary(secondary::vmcs_shadowing);
         s.remove(Field::primary_processor_based_controls, primary::activate_secondary_controls);
         s.set(Field::vmread_bitmap, 7);
     },
     {}},
};

TEST(EntryFeatures, ControlsAndTheirFields) {
    run_entry_cases(feature_cases, &EntrySample::controls);
}

// The indicator in the region and the control have to agree, and the rest of the word is the revision.
TEST(EntryFeatures, LinkPointerAndShadowing) {
    constexpr std::uint32_t revision{sample_revision & 0x7FFFFFFF};
    for (const bool shadowing : {false, true}) {
        for (const bool indicator : {false, true}) {
            for (const bool right_revision : {false, true}) {
                S s{};
                if (shadowing) s.secondary(secondary::vmcs_shadowing);
                s.set(Field::vmcs_link_pointer, 0x5000);
                s.context.link_header_known = true;
                s.context.link_header = (right_revision ? revision : revision ^ 1U) |
                                        (indicator ? vmx::shadow_vmcs_indicator : 0U);
                const bool good{right_revision && shadowing == indicator};
                EXPECT_EQ(s.guest().ok(), good);
                const auto alone{check_link_pointer(s.vmcs12, s.offered, s.processor, s.context)};
                EXPECT_EQ(alone.ok(), good);
                if (!good) {
                    EXPECT_EQ(alone.error().qualification, nested::GuestFailure::link_pointer);
                }
            }
        }
    }
    S none{};
    none.secondary(secondary::vmcs_shadowing);
    EXPECT_TRUE(check_link_pointer(none.vmcs12, none.offered, none.processor, none.context).ok());
    // Other faults of the guest state are not its business.
    none.set(Field::guest_rflags, 0);
    EXPECT_TRUE(check_link_pointer(none.vmcs12, none.offered, none.processor, none.context).ok());
}

} // namespace
