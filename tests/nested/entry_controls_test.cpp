#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
namespace pin = vmx::pin;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;
namespace exit_control = vmx::exit;

using S = EntrySample;
constexpr Field second{Field::secondary_processor_based_controls};
constexpr std::uint64_t beyond{std::uint64_t{1} << 40}; // MAXPHYADDR is 40 in the sample

constexpr EntryCase control_cases[]{
    {"the sample", [](S&) {}, {}},
    {"4 CR3 targets", [](S& s) { s.set(Field::cr3_target_count, 4); }, {}},
    {"5 CR3 targets", [](S& s) { s.set(Field::cr3_target_count, 5); }, Field::cr3_target_count},
    {"secondary controls count only if activated",
     [](S& s) {
         s.remove(Field::primary_processor_based_controls, primary::activate_secondary_controls);
         s.set(second, 0xFFFFFFFF);
     },
     {}},

    {"I/O bitmaps", [](S& s) { s.primary(primary::use_io_bitmaps); }, {}},
    {"I/O bitmap A askew",
     [](S& s) {
         s.primary(primary::use_io_bitmaps);
         s.set(Field::io_bitmap_a, 0x1800);
     },
     Field::io_bitmap_a},
    {"I/O bitmap B beyond",
     [](S& s) {
         s.primary(primary::use_io_bitmaps);
         s.set(Field::io_bitmap_b, beyond);
     },
     Field::io_bitmap_b},
    {"I/O bitmap unused", [](S& s) { s.set(Field::io_bitmap_b, 7); }, {}},
    {"MSR bitmap",
     [](S& s) {
         s.primary(primary::use_msr_bitmaps);
         s.set(Field::msr_bitmap, beyond - 0x1000);
     },
     {}},
    {"MSR bitmap askew",
     [](S& s) {
         s.primary(primary::use_msr_bitmaps);
         s.set(Field::msr_bitmap, 8);
     },
     Field::msr_bitmap},
    {"MSR bitmap beyond",
     [](S& s) {
         s.primary(primary::use_msr_bitmaps);
         s.set(Field::msr_bitmap, beyond);
     },
     Field::msr_bitmap},

    {"TPR shadow",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.set(Field::tpr_threshold, 15);
     },
     {}},
    {"virtual-APIC page askew",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.set(Field::virtual_apic_address, 0x10);
     },
     Field::virtual_apic_address},
    {"virtual-APIC page beyond",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.set(Field::virtual_apic_address, beyond);
     },
     Field::virtual_apic_address},
    {"threshold of 5 bits",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.set(Field::tpr_threshold, 16);
     },
     Field::tpr_threshold},
    {"threshold of 5 bits without shadow", [](S& s) { s.set(Field::tpr_threshold, 16); }, {}},
    {"threshold of 5 bits with delivery",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.pin(pin::external_interrupt_exiting);
         s.secondary(secondary::virtual_interrupt_delivery);
         s.set(Field::tpr_threshold, 16);
     },
     {}},
    {"threshold at VTPR",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.set(Field::tpr_threshold, 3);
         s.context.vtpr = 0x3F;
         s.context.vtpr_known = true;
     },
     {}},
    {"threshold above VTPR",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.set(Field::tpr_threshold, 4);
         s.context.vtpr = 0x3F;
         s.context.vtpr_known = true;
     },
     Field::tpr_threshold},
    {"threshold above VTPR with APIC accesses",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.secondary(secondary::virtualize_apic_accesses);
         s.set(Field::tpr_threshold, 4);
         s.context.vtpr = 0x3F;
         s.context.vtpr_known = true;
     },
     {}},
    {"x2APIC without TPR shadow", [](S& s) { s.secondary(secondary::virtualize_x2apic_mode); }, second},
    {"APIC registers without TPR shadow", [](S& s) { s.secondary(secondary::apic_register_virtualization); },
     second},
    {"delivery without TPR shadow",
     [](S& s) {
         s.secondary(secondary::virtual_interrupt_delivery);
         s.pin(pin::external_interrupt_exiting);
     },
     second},
    {"APIC accesses without TPR shadow", [](S& s) { s.secondary(secondary::virtualize_apic_accesses); }, {}},
    {"APIC-access page askew",
     [](S& s) {
         s.secondary(secondary::virtualize_apic_accesses);
         s.set(Field::apic_access_address, 1);
     },
     Field::apic_access_address},
    {"APIC-access page beyond",
     [](S& s) {
         s.secondary(secondary::virtualize_apic_accesses);
         s.set(Field::apic_access_address, beyond);
     },
     Field::apic_access_address},
    {"x2APIC",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.secondary(secondary::virtualize_x2apic_mode);
     },
     {}},
    {"x2APIC and APIC accesses",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.secondary(secondary::virtualize_x2apic_mode | secondary::virtualize_apic_accesses);
     },
     second},
    {"delivery without interrupt exiting",
     [](S& s) {
         s.primary(primary::use_tpr_shadow);
         s.secondary(secondary::virtual_interrupt_delivery);
     },
     Field::pin_based_controls},

    {"virtual NMIs alone", [](S& s) { s.pin(pin::virtual_nmis); }, Field::pin_based_controls},
    {"virtual NMIs",
     [](S& s) {
         s.pin(pin::virtual_nmis | pin::nmi_exiting);
         s.primary(primary::nmi_window_exiting);
     },
     {}},
    {"NMI window alone",
     [](S& s) {
         s.pin(pin::nmi_exiting);
         s.primary(primary::nmi_window_exiting);
     },
     Field::primary_processor_based_controls},

    {"VPID 0", [](S& s) { s.secondary(secondary::enable_vpid); }, Field::virtual_processor_identifier},
    {"VPID FFFFH",
     [](S& s) {
         s.secondary(secondary::enable_vpid);
         s.set(Field::virtual_processor_identifier, 0xFFFF);
     },
     {}},
    {"VPID 8000H",
     [](S& s) {
         s.secondary(secondary::enable_vpid);
         s.set(Field::virtual_processor_identifier, 0x8000);
     },
     {}},
    {"EPTP memory type", [](S& s) { s.set(Field::ept_pointer, 0x10001C); }, Field::ept_pointer},
    {"EPTP walk length", [](S& s) { s.set(Field::ept_pointer, 0x100016); }, Field::ept_pointer},
    {"EPTP reserved bit", [](S& s) { s.add(Field::ept_pointer, 0x80); }, Field::ept_pointer},
    {"EPTP beyond", [](S& s) { s.add(Field::ept_pointer, beyond); }, Field::ept_pointer},
    {"EPTP flags", [](S& s) { s.add(Field::ept_pointer, 0x40); }, {}},
    {"EPTP flags not offered",
     [](S& s) {
         s.add(Field::ept_pointer, 0x40);
         s.offered[vmx::msr::vmx_ept_vpid_cap] &= ~vmx::ept_vpid_cap::accessed_dirty;
     },
     Field::ept_pointer},
    {"EPTP unused",
     [](S& s) {
         s.remove(second, secondary::enable_ept);
         s.set(Field::ept_pointer, 0xFFF);
     },
     {}},
    {"unrestricted guest", [](S& s) { s.secondary(secondary::unrestricted_guest); }, {}},
    {"unrestricted guest without EPT", [](S& s) { s.set(second, secondary::unrestricted_guest); }, second},

    {"preemption timer saved",
     [](S& s) {
         s.pin(pin::activate_preemption_timer);
         s.exit(exit_control::save_preemption_timer_value);
     },
     {}},
    {"preemption timer saved but not active", [](S& s) { s.exit(exit_control::save_preemption_timer_value); },
     Field::primary_vm_exit_controls},

    {"store area",
     [](S& s) {
         s.set(Field::vm_exit_msr_store_count, 1);
         s.set(Field::vm_exit_msr_store_address, beyond - 16);
     },
     {}},
    {"store area ends beyond",
     [](S& s) {
         s.set(Field::vm_exit_msr_store_count, 2);
         s.set(Field::vm_exit_msr_store_address, beyond - 16);
     },
     Field::vm_exit_msr_store_address},
    {"store area askew",
     [](S& s) {
         s.set(Field::vm_exit_msr_store_count, 1);
         s.set(Field::vm_exit_msr_store_address, 8);
     },
     Field::vm_exit_msr_store_address},
    {"exit-load area askew",
     [](S& s) {
         s.set(Field::vm_exit_msr_load_count, 1);
         s.set(Field::vm_exit_msr_load_address, 8);
     },
     Field::vm_exit_msr_load_address},
    {"entry-load area askew",
     [](S& s) {
         s.set(Field::vm_entry_msr_load_count, 1);
         s.set(Field::vm_entry_msr_load_address, 8);
     },
     Field::vm_entry_msr_load_address},
    {"entry-load area of the largest count",
     [](S& s) {
         s.set(Field::vm_entry_msr_load_count, 0xFFFFFFFF);
         s.set(Field::vm_entry_msr_load_address, beyond - 0x1000000000);
     },
     {}},
    {"entry-load area of the largest count, beyond",
     [](S& s) {
         s.set(Field::vm_entry_msr_load_count, 0xFFFFFFFF);
         s.set(Field::vm_entry_msr_load_address, beyond - 0x800000000);
     },
     Field::vm_entry_msr_load_address},
    {"areas unused",
     [](S& s) {
         s.set(Field::vm_entry_msr_load_address, 7);
         s.set(Field::vm_exit_msr_load_address, ~0ULL);
     },
     {}},

    {"32-bit physical addresses",
     [](S& s) {
         s.offered[vmx::msr::vmx_basic] |= vmx::basic::physical_addresses_32_bit;
         s.primary(primary::use_msr_bitmaps);
         s.set(Field::msr_bitmap, 0x100000000);
     },
     Field::msr_bitmap},
};

TEST(EntryControls, EachRule) {
    run_entry_cases(control_cases, &EntrySample::controls);
}

// Every control bit that is not offered is refused, and so is the lack of every bit that is forced; an
// offered bit is never refused as reserved.
TEST(EntryControls, EveryBitOfEveryControlWord) {
    struct Word {
        Field field;
        std::uint32_t number;
    };
    constexpr Word words[]{{Field::pin_based_controls, vmx::msr::vmx_true_pin_based},
                           {Field::primary_processor_based_controls, vmx::msr::vmx_true_primary},
                           {Field::secondary_processor_based_controls, vmx::msr::vmx_secondary},
                           {Field::primary_vm_exit_controls, vmx::msr::vmx_true_exit},
                           {Field::vm_entry_controls, vmx::msr::vmx_true_entry}};
    for (const Word& word : words) {
        unsigned refused{0};
        for (unsigned bit{0}; bit < 32; ++bit) {
            EntrySample sample{};
            const std::uint64_t capability{sample.offered[word.number]};
            const std::uint64_t mask{std::uint64_t{1} << bit};
            const bool forced{(vmx::must_be_one(capability) & mask) != 0};
            const bool allowed{(vmx::may_be_one(capability) & mask) != 0};
            if (forced) {
                sample.remove(word.field, mask);
            } else {
                sample.add(word.field, mask);
            }
            const nested::Check result{sample.controls()};
            const bool as_reserved{!result.ok() && result.error().rule.starts_with("a reserved bit is not")};
            EXPECT_EQ(as_reserved, forced || !allowed) << vmcs::info(word.field).symbol << " bit " << bit;
            if (as_reserved) {
                EXPECT_EQ(result.error().field, word.field);
                ++refused;
            }
        }
        EXPECT_GT(refused, 0U);
    }
}

TEST(EntryControls, WhatTheCallerMustRead) {
    EntrySample sample{};
    EXPECT_FALSE(needs_vtpr(sample.vmcs12));
    sample.primary(primary::use_tpr_shadow);
    EXPECT_TRUE(needs_vtpr(sample.vmcs12));
    sample.secondary(secondary::virtualize_apic_accesses);
    EXPECT_FALSE(needs_vtpr(sample.vmcs12));
    sample.remove(Field::primary_processor_based_controls, primary::activate_secondary_controls);
    EXPECT_TRUE(needs_vtpr(sample.vmcs12));
    EXPECT_EQ(secondary_controls_in_force(sample.vmcs12), 0U);
}

} // namespace
