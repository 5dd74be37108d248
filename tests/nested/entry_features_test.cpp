// Controls that bring fields of their own: VMCS shadowing. SDM Vol. 3C, 27.2.1.1 and 27.3.1.5 (edition
// 325462-087).

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

constexpr EntryCase shadowing_cases[]{
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
    {"shadowing not activated",
     [](S& s) {
         s.secondary(secondary::vmcs_shadowing);
         s.remove(Field::primary_processor_based_controls, primary::activate_secondary_controls);
         s.set(Field::vmread_bitmap, 7);
     },
     {}},
};

TEST(EntryFeatures, ControlsAndTheirFields) {
    run_entry_cases(shadowing_cases, &EntrySample::controls);
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
