#pragma once

// A vmcs12 that passes every check, and tables of changes to it that one rule refuses, or that none may.

#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/exit_information.hpp"
#include "tests/nested/sample_processor.hpp"

#include <gtest/gtest.h>
#include <optional>
#include <span>

namespace shadowtune::nested::testing {

using vmcs::Field;

struct EntrySample {
    Vmcs12Values vmcs12{};
    vmcs::CapabilityMsrs offered{offered_msrs(everything(), sample_revision)};
    ProcessorFacts processor{};
    EntryContext context{};

    // A 64-bit guest under a 64-bit host, with EPT and little else.
    EntrySample() {
        namespace msr = vmx::msr;
        processor.physical_address_bits = 40;
        context.current_vmcs = 0x7000;
        set(Field::pin_based_controls, vmx::adjust(0, offered[msr::vmx_true_pin_based]));
        set(Field::primary_processor_based_controls,
            vmx::adjust(vmx::primary::activate_secondary_controls, offered[msr::vmx_true_primary]));
        set(Field::secondary_processor_based_controls, vmx::secondary::enable_ept);
        set(Field::primary_vm_exit_controls,
            vmx::adjust(vmx::exit::host_address_space_size, offered[msr::vmx_true_exit]));
        set(Field::vm_entry_controls,
            vmx::adjust(vmx::entry::ia32e_mode_guest, offered[msr::vmx_true_entry]));
        set(Field::ept_pointer, 0x10001E);
        set(Field::vmcs_link_pointer, ~std::uint64_t{0});

        set(Field::host_cr0, 0x80050033);
        set(Field::host_cr3, 0x1000);
        set(Field::host_cr4, 0x2020);
        set(Field::host_cs_selector, 0x10);
        set(Field::host_tr_selector, 0x40);
        set(Field::host_rip, 0xFFFFFFFF81000000);

        set(Field::guest_cr0, 0x80050033);
        set(Field::guest_cr3, 0x1000);
        set(Field::guest_cr4, 0x2020);
        segment(Field::guest_cs_selector, Field::guest_cs_limit, Field::guest_cs_access_rights, 0x10,
                0xFFFFFFFF, 0xA09B);
        segment(Field::guest_ss_selector, Field::guest_ss_limit, Field::guest_ss_access_rights, 0x18,
                0xFFFFFFFF, 0xC093);
        segment(Field::guest_ds_selector, Field::guest_ds_limit, Field::guest_ds_access_rights, 0x18,
                0xFFFFFFFF, 0xC093);
        segment(Field::guest_es_selector, Field::guest_es_limit, Field::guest_es_access_rights, 0, 0,
                0x10000);
        segment(Field::guest_fs_selector, Field::guest_fs_limit, Field::guest_fs_access_rights, 0, 0,
                0x10000);
        segment(Field::guest_gs_selector, Field::guest_gs_limit, Field::guest_gs_access_rights, 0, 0,
                0x10000);
        segment(Field::guest_ldtr_selector, Field::guest_ldtr_limit, Field::guest_ldtr_access_rights, 0, 0,
                0x10000);
        segment(Field::guest_tr_selector, Field::guest_tr_limit, Field::guest_tr_access_rights, 0x40, 0x67,
                0x8B);
        set(Field::guest_rip, 0xFFFFFFFF81000000);
        set(Field::guest_rflags, 2);
    }

    void set(Field field, std::uint64_t value) { vmcs12.set(field, value); }
    void add(Field field, std::uint64_t bits) { vmcs12.set(field, vmcs12.get(field) | bits); }
    void remove(Field field, std::uint64_t bits) { vmcs12.set(field, vmcs12.get(field) & ~bits); }
    void pin(std::uint32_t bits) { add(Field::pin_based_controls, bits); }
    void primary(std::uint32_t bits) { add(Field::primary_processor_based_controls, bits); }
    void secondary(std::uint32_t bits) { add(Field::secondary_processor_based_controls, bits); }
    void exit(std::uint32_t bits) { add(Field::primary_vm_exit_controls, bits); }
    void entry(std::uint32_t bits) { add(Field::vm_entry_controls, bits); }
    void inject(std::uint8_t vector, vmx::EventType type, bool error_code = false) {
        set(Field::vm_entry_interruption_information, vmx::interruption::make(vector, type, error_code));
    }
    void segment(Field selector, Field limit, Field rights, std::uint64_t selector_value,
                 std::uint64_t limit_value, std::uint64_t rights_value) {
        set(selector, selector_value);
        set(limit, limit_value);
        set(rights, rights_value);
    }

    // Protected mode with 32-bit paging, without IA-32e mode.
    void legacy_guest() {
        remove(Field::vm_entry_controls, vmx::entry::ia32e_mode_guest);
        set(Field::guest_cs_access_rights, 0xC09B);
        set(Field::guest_rip, 0x1000);
        set(Field::guest_cr4, 0x2000);
    }
    // Real-address mode: what a processor has after a reset, under unrestricted guest.
    void real_mode_guest() {
        legacy_guest();
        secondary(vmx::secondary::unrestricted_guest);
        set(Field::guest_cr0, 0x30);
        segment(Field::guest_cs_selector, Field::guest_cs_limit, Field::guest_cs_access_rights, 0xF000,
                0xFFFF, 0x93);
        set(Field::guest_cs_base, 0xFFFF0000);
        segment(Field::guest_ss_selector, Field::guest_ss_limit, Field::guest_ss_access_rights, 0, 0xFFFF,
                0x93);
        segment(Field::guest_ds_selector, Field::guest_ds_limit, Field::guest_ds_access_rights, 0, 0xFFFF,
                0x93);
        set(Field::guest_rip, 0xFFF0);
    }
    void v8086_guest() {
        legacy_guest();
        add(Field::guest_rflags, 1U << 17);
        constexpr Field selectors[]{Field::guest_es_selector, Field::guest_cs_selector,
                                    Field::guest_ss_selector, Field::guest_ds_selector,
                                    Field::guest_fs_selector, Field::guest_gs_selector};
        constexpr Field bases[]{Field::guest_es_base, Field::guest_cs_base, Field::guest_ss_base,
                                Field::guest_ds_base, Field::guest_fs_base, Field::guest_gs_base};
        constexpr Field limits[]{Field::guest_es_limit, Field::guest_cs_limit, Field::guest_ss_limit,
                                 Field::guest_ds_limit, Field::guest_fs_limit, Field::guest_gs_limit};
        constexpr Field rights[]{Field::guest_es_access_rights, Field::guest_cs_access_rights,
                                 Field::guest_ss_access_rights, Field::guest_ds_access_rights,
                                 Field::guest_fs_access_rights, Field::guest_gs_access_rights};
        for (unsigned i{0}; i < 6; ++i) {
            set(selectors[i], 0x1237 + i);
            set(bases[i], 0x12370 + i * 0x10);
            set(limits[i], 0xFFFF);
            set(rights[i], 0xF3);
        }
    }

    [[nodiscard]] Check controls() const { return check_controls(vmcs12, offered, processor, context); }
    [[nodiscard]] Check host() const { return check_host_state(vmcs12, offered, processor, context); }
    [[nodiscard]] Check guest() const { return check_guest_state(vmcs12, offered, processor, context); }
};

// `refused` is the field that the failure must name; nothing: the change must pass.
struct EntryCase {
    const char* name;
    void (*change)(EntrySample& sample);
    std::optional<Field> refused;
    GuestFailure qualification{GuestFailure::other};
};

inline void run_entry_cases(std::span<const EntryCase> cases, Check (EntrySample::*check)() const) {
    for (const EntryCase& test : cases) {
        SCOPED_TRACE(test.name);
        EntrySample sample{};
        test.change(sample);
        const Check result{(sample.*check)()};
        EXPECT_EQ(result.ok(), !test.refused.has_value()) << result.error().rule;
        if (!result.ok() && test.refused) {
            EXPECT_EQ(vmcs::info(result.error().field).symbol, vmcs::info(*test.refused).symbol)
                << result.error().rule;
            EXPECT_FALSE(result.error().rule.empty());
            EXPECT_EQ(result.error().qualification, test.qualification);
        }
    }
}

} // namespace shadowtune::nested::testing
