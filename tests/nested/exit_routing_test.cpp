#include "hypervisor/nested/exit_routing.hpp"
#include "hypervisor/vmx/exit_information.hpp"
#include "vmcs/exit_reason.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <set>

namespace {

using namespace shadowtune;
using nested::ExitFacts;
using nested::L1Bitmaps;
using nested::Vmcs12Values;
using vmcs::ExitReason;
using vmcs::Field;

// A vmcs12 with no control set, one exit, and L2's registers.
struct Exit {
    Vmcs12Values vmcs12{};
    ExitFacts facts{};
    L1Bitmaps bitmaps{};
    std::uint64_t registers[16]{};

    explicit Exit(ExitReason reason) {
        facts.exit_reason = static_cast<std::uint32_t>(reason);
        facts.in_64bit_mode = true;
    }
    void pin(std::uint32_t value) { vmcs12.set(Field::pin_based_controls, value); }
    void primary(std::uint32_t value) { vmcs12.set(Field::primary_processor_based_controls, value); }
    void secondary(std::uint32_t value) { vmcs12.set(Field::secondary_processor_based_controls, value); }
    [[nodiscard]] bool goes_to_l1() {
        facts.general_registers = registers;
        return l1_wants_exit(facts, vmcs12, bitmaps);
    }
};

// Reasons that need no control, and those that L1 gets without MSR bitmaps: RDMSR and WRMSR (section
// 26.1.3), VMFUNC without VM-function controls.
const std::set<unsigned> unconditional{2,  3,  4,  9,  10, 11, 13, 18, 19, 20, 21, 22, 23,
                                       24, 25, 26, 27, 31, 32, 33, 34, 41, 50, 53, 55, 59};

TEST(ExitRouting, WithoutControlsOnlyTheUnconditionalReachL1) {
    for (unsigned reason{0}; reason < 128; ++reason) {
        Exit exit{static_cast<ExitReason>(reason)};
        EXPECT_EQ(exit.goes_to_l1(), unconditional.contains(reason)) << reason;
    }
}

TEST(ExitRouting, WhatExitsUnconditionallyIsL1sWithoutAnyControl) {
    for (std::uint32_t reason{0}; reason < vmcs::reason_slots; ++reason) {
        Exit exit{static_cast<ExitReason>(reason)};
        if (nested::exits_unconditionally(reason)) {
            EXPECT_TRUE(exit.goes_to_l1()) << reason;
        }
    }
    EXPECT_TRUE(nested::exits_unconditionally(static_cast<std::uint32_t>(ExitReason::cpuid)));
    EXPECT_FALSE(nested::exits_unconditionally(static_cast<std::uint32_t>(ExitReason::vmread)));
    EXPECT_FALSE(nested::exits_unconditionally(vmx::exit_reason_entry_failure |
                                               static_cast<std::uint32_t>(ExitReason::cpuid)));
}

TEST(ExitRouting, TheEntryFailureBitDoesNotMatter) {
    Exit exit{ExitReason::entry_failure_guest_state};
    exit.facts.exit_reason |= vmx::exit_reason_entry_failure;
    EXPECT_TRUE(exit.goes_to_l1());
}

struct ControlCase {
    ExitReason reason;
    std::uint32_t pin;
    std::uint32_t primary;
    std::uint32_t secondary;
};

namespace pin = vmx::pin;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;
constexpr std::uint32_t second{primary::activate_secondary_controls};

constexpr ControlCase control_cases[]{
    {ExitReason::external_interrupt, pin::external_interrupt_exiting, 0, 0},
    {ExitReason::preemption_timer_expired, pin::activate_preemption_timer, 0, 0},
    {ExitReason::interrupt_window, 0, primary::interrupt_window_exiting, 0},
    {ExitReason::nmi_window, 0, primary::nmi_window_exiting, 0},
    {ExitReason::hlt, 0, primary::hlt_exiting, 0},
    {ExitReason::invlpg, 0, primary::invlpg_exiting, 0},
    {ExitReason::rdpmc, 0, primary::rdpmc_exiting, 0},
    {ExitReason::rdtsc, 0, primary::rdtsc_exiting, 0},
    {ExitReason::rdtscp, 0, primary::rdtsc_exiting, 0},
    {ExitReason::mov_dr, 0, primary::mov_dr_exiting, 0},
    {ExitReason::io_instruction, 0, primary::unconditional_io_exiting, 0},
    {ExitReason::mwait, 0, primary::mwait_exiting, 0},
    {ExitReason::monitor, 0, primary::monitor_exiting, 0},
    {ExitReason::monitor_trap_flag, 0, primary::monitor_trap_flag, 0},
    {ExitReason::pause, 0, primary::pause_exiting, 0},
    {ExitReason::pause, 0, second, secondary::pause_loop_exiting},
    {ExitReason::tpr_below_threshold, 0, primary::use_tpr_shadow, 0},
    {ExitReason::apic_write, 0, primary::use_tpr_shadow, 0},
    {ExitReason::apic_access, 0, second, secondary::virtualize_apic_accesses},
    {ExitReason::virtualized_eoi, 0, second, secondary::virtual_interrupt_delivery},
    {ExitReason::gdtr_or_idtr_access, 0, second, secondary::descriptor_table_exiting},
    {ExitReason::ldtr_or_tr_access, 0, second, secondary::descriptor_table_exiting},
    {ExitReason::wbinvd, 0, second, secondary::wbinvd_exiting},
    {ExitReason::rdrand, 0, second, secondary::rdrand_exiting},
    {ExitReason::rdseed, 0, second, secondary::rdseed_exiting},
    {ExitReason::invpcid, 0, second | primary::invlpg_exiting, secondary::enable_invpcid},
    {ExitReason::umwait, 0, second | primary::rdtsc_exiting, secondary::enable_user_wait_and_pause},
    {ExitReason::tpause, 0, second | primary::rdtsc_exiting, secondary::enable_user_wait_and_pause},
};

TEST(ExitRouting, EachControlBringsItsOwnReason) {
    for (const ControlCase& test : control_cases) {
        SCOPED_TRACE(vmcs::exit_reason_names[static_cast<std::size_t>(test.reason)]);
        Exit exit{test.reason};
        exit.pin(test.pin);
        exit.primary(test.primary);
        exit.secondary(test.secondary);
        EXPECT_TRUE(exit.goes_to_l1());
        // All other controls together do not.
        exit.pin(~test.pin);
        exit.primary(~(test.primary & ~second) & ~primary::use_io_bitmaps & ~primary::pause_exiting);
        exit.secondary(~(test.secondary | secondary::pause_loop_exiting));
        EXPECT_FALSE(exit.goes_to_l1());
        // Nor secondary controls that are not activated.
        if (test.secondary != 0) {
            exit.pin(0);
            exit.primary(test.primary & ~second);
            exit.secondary(test.secondary);
            EXPECT_FALSE(exit.goes_to_l1());
        }
    }
}

TEST(ExitRouting, L0KeepsItsOwnTimerAndAllEptAndSmm) {
    Exit timer{ExitReason::preemption_timer_expired};
    timer.pin(pin::activate_preemption_timer);
    timer.facts.preemption_timer_is_l0s = true;
    EXPECT_FALSE(timer.goes_to_l1());
    for (const ExitReason reason : {ExitReason::ept_violation, ExitReason::ept_misconfiguration,
                                    ExitReason::io_smi, ExitReason::other_smi, ExitReason::rsm}) {
        Exit exit{reason};
        exit.pin(~0U);
        exit.primary(~0U);
        exit.secondary(~0U);
        EXPECT_FALSE(exit.goes_to_l1());
    }
}

TEST(ExitRouting, ExceptionsFollowTheBitmap) {
    for (unsigned bit{0}; bit < 32; ++bit) {
        for (unsigned vector{0}; vector < 32; ++vector) {
            Exit exit{ExitReason::exception_or_nmi};
            exit.vmcs12.set(Field::exception_bitmap, std::uint64_t{1} << bit);
            exit.facts.interruption_information = vmx::interruption::make(
                static_cast<std::uint8_t>(vector), vmx::EventType::hardware_exception, vector == 14);
            EXPECT_EQ(exit.goes_to_l1(), bit == vector) << bit << " " << vector;
        }
    }
    Exit breakpoint{ExitReason::exception_or_nmi};
    breakpoint.vmcs12.set(Field::exception_bitmap, 1U << 3);
    breakpoint.facts.interruption_information =
        vmx::interruption::make(3, vmx::EventType::software_exception);
    EXPECT_TRUE(breakpoint.goes_to_l1());
}

TEST(ExitRouting, NmisFollowTheirControlNotBit2OfTheBitmap) {
    Exit exit{ExitReason::exception_or_nmi};
    exit.facts.interruption_information = vmx::interruption::make(2, vmx::EventType::nmi);
    exit.vmcs12.set(Field::exception_bitmap, 0xFFFFFFFF);
    EXPECT_FALSE(exit.goes_to_l1());
    exit.vmcs12.set(Field::exception_bitmap, 0);
    exit.pin(pin::nmi_exiting);
    EXPECT_TRUE(exit.goes_to_l1());
}

TEST(ExitRouting, PageFaultsInvertTheBitmapWhereTheCodeDoesNotMatch) {
    for (std::uint32_t code{0}; code < 8; ++code) {
        for (std::uint32_t mask{0}; mask < 8; ++mask) {
            for (std::uint32_t match{0}; match < 8; ++match) {
                for (const bool in_bitmap : {false, true}) {
                    Exit exit{ExitReason::exception_or_nmi};
                    exit.facts.interruption_information =
                        vmx::interruption::make(14, vmx::EventType::hardware_exception, true);
                    exit.facts.interruption_error_code = code;
                    exit.vmcs12.set(Field::exception_bitmap, in_bitmap ? 1U << 14 : 0U);
                    exit.vmcs12.set(Field::page_fault_error_code_mask, mask);
                    exit.vmcs12.set(Field::page_fault_error_code_match, match);
                    const bool matches{(code & mask) == match};
                    EXPECT_EQ(exit.goes_to_l1(), matches ? in_bitmap : !in_bitmap);
                }
            }
        }
    }
}

std::uint64_t cr_qualification(unsigned number, vmx::CrAccessType type, unsigned gpr, unsigned source = 0) {
    return number | (static_cast<std::uint64_t>(type) << 4) | (std::uint64_t{gpr} << 8) |
           (std::uint64_t{source} << 16);
}

TEST(ExitRouting, MovToCr0AndCr4ComparesOwnedBitsWithTheShadow) {
    struct Register {
        unsigned number;
        Field mask;
        Field shadow;
    };
    for (const Register& cr : {Register{0, Field::cr0_guest_host_mask, Field::cr0_read_shadow},
                               Register{4, Field::cr4_guest_host_mask, Field::cr4_read_shadow}}) {
        Exit exit{ExitReason::control_register_access};
        exit.facts.qualification = cr_qualification(cr.number, vmx::CrAccessType::mov_to_cr, 9);
        exit.vmcs12.set(cr.mask, 0x80000001);
        exit.vmcs12.set(cr.shadow, 0x00000001);
        exit.registers[9] = 0x00001231; // PE as in the shadow, free bits changed
        EXPECT_FALSE(exit.goes_to_l1());
        exit.registers[9] = 0x80000001;
        EXPECT_TRUE(exit.goes_to_l1());
        exit.registers[9] = 0;
        EXPECT_TRUE(exit.goes_to_l1());
        // Outside 64-bit mode the operand is 32 bits.
        exit.vmcs12.set(cr.mask, std::uint64_t{1} << 40);
        exit.registers[9] = std::uint64_t{1} << 40;
        EXPECT_TRUE(exit.goes_to_l1());
        exit.facts.in_64bit_mode = false;
        EXPECT_FALSE(exit.goes_to_l1());
    }
}

TEST(ExitRouting, MovToCr3SparesTheFirstTargets) {
    Exit exit{ExitReason::control_register_access};
    exit.facts.qualification = cr_qualification(3, vmx::CrAccessType::mov_to_cr, 0);
    exit.registers[0] = 0x3000;
    EXPECT_FALSE(exit.goes_to_l1());
    exit.primary(primary::cr3_load_exiting);
    EXPECT_TRUE(exit.goes_to_l1());
    exit.vmcs12.set(Field::cr3_target_value_2, 0x3000);
    exit.vmcs12.set(Field::cr3_target_count, 2);
    EXPECT_TRUE(exit.goes_to_l1());
    exit.vmcs12.set(Field::cr3_target_count, 3);
    EXPECT_FALSE(exit.goes_to_l1());
    exit.vmcs12.set(Field::cr3_target_count, 0xFFFFFFFF);
    EXPECT_FALSE(exit.goes_to_l1());
    exit.registers[0] = 0x4000;
    EXPECT_TRUE(exit.goes_to_l1());
}

TEST(ExitRouting, Cr3StoreAndCr8HaveTheirOwnControls) {
    struct Case {
        unsigned number;
        vmx::CrAccessType type;
        std::uint32_t control;
    };
    for (const Case& test : {Case{3, vmx::CrAccessType::mov_from_cr, primary::cr3_store_exiting},
                             Case{8, vmx::CrAccessType::mov_to_cr, primary::cr8_load_exiting},
                             Case{8, vmx::CrAccessType::mov_from_cr, primary::cr8_store_exiting}}) {
        Exit exit{ExitReason::control_register_access};
        exit.facts.qualification = cr_qualification(test.number, test.type, 0);
        exit.primary(~test.control);
        EXPECT_FALSE(exit.goes_to_l1());
        exit.primary(test.control);
        EXPECT_TRUE(exit.goes_to_l1());
    }
}

TEST(ExitRouting, CltsNeedsTsInMaskAndShadow) {
    for (const std::uint64_t mask : {0U, 8U, ~8U}) {
        for (const std::uint64_t shadow : {0U, 8U, ~8U}) {
            Exit exit{ExitReason::control_register_access};
            exit.facts.qualification = cr_qualification(0, vmx::CrAccessType::clts, 0);
            exit.vmcs12.set(Field::cr0_guest_host_mask, mask);
            exit.vmcs12.set(Field::cr0_read_shadow, shadow);
            EXPECT_EQ(exit.goes_to_l1(), mask == 8 && shadow == 8);
        }
    }
}

TEST(ExitRouting, LmswSetsPeButNeverClearsItAndReachesFourBits) {
    for (unsigned source{0}; source < 32; ++source) {
        for (unsigned mask{0}; mask < 32; ++mask) {
            for (unsigned shadow{0}; shadow < 32; ++shadow) {
                Exit exit{ExitReason::control_register_access};
                exit.facts.qualification = cr_qualification(0, vmx::CrAccessType::lmsw, 0, source);
                exit.vmcs12.set(Field::cr0_guest_host_mask, mask);
                exit.vmcs12.set(Field::cr0_read_shadow, shadow);
                // The value that LMSW writes, bit by bit.
                bool expected{(mask & 1) != 0 && (source & 1) != 0 && (shadow & 1) == 0};
                for (unsigned bit{1}; bit < 4; ++bit) {
                    const bool owned{((mask >> bit) & 1) != 0};
                    expected = expected || (owned && ((source >> bit) & 1) != ((shadow >> bit) & 1));
                }
                ASSERT_EQ(exit.goes_to_l1(), expected) << source << " " << mask << " " << shadow;
            }
        }
    }
}

TEST(ExitRouting, MsrsAndPortsGoByL1sBitmaps) {
    auto page{std::make_unique<nested::BitmapWords>()};
    page->set(nested::msr_bit(0xC0000080, true));
    page->set(0x60); // as I/O bitmap A
    Exit write{ExitReason::wrmsr};
    write.primary(primary::use_msr_bitmaps);
    write.bitmaps.msr = page.get();
    write.registers[1] = 0xFFFFFFFFC0000080; // RDMSR and WRMSR take ECX
    EXPECT_TRUE(write.goes_to_l1());
    write.registers[1] = 0xC0000081;
    EXPECT_FALSE(write.goes_to_l1());
    Exit read{ExitReason::rdmsr};
    read.primary(primary::use_msr_bitmaps);
    read.bitmaps.msr = page.get();
    read.registers[1] = 0xC0000080;
    EXPECT_FALSE(read.goes_to_l1());
    Exit port{ExitReason::io_instruction};
    port.primary(primary::use_io_bitmaps);
    port.bitmaps.io_a = page.get();
    port.bitmaps.io_b = page.get();
    port.facts.qualification = 0x600000;
    EXPECT_TRUE(port.goes_to_l1());
    port.facts.qualification = 0x610000;
    EXPECT_FALSE(port.goes_to_l1());
    port.facts.qualification = 0x5F0001; // two bytes
    EXPECT_TRUE(port.goes_to_l1());
}

// 26.1.3: without the control always; else by the bit, or by any operand bit above 14.
TEST(ExitRouting, FieldAccessesGoByL1sBitmapsWhereItShadows) {
    auto page{std::make_unique<nested::BitmapWords>()};
    page->set(0x681E);
    page->set(0x7FFF);
    for (const ExitReason reason : {ExitReason::vmread, ExitReason::vmwrite}) {
        Exit exit{reason};
        (reason == ExitReason::vmread ? exit.bitmaps.vmread : exit.bitmaps.vmwrite) = page.get();
        exit.facts.instruction_information = 0xB0000000; // R11
        exit.registers[11] = 0x4402;
        EXPECT_TRUE(exit.goes_to_l1());
        exit.secondary(secondary::vmcs_shadowing);
        EXPECT_TRUE(exit.goes_to_l1()); // not activated
        exit.primary(second);
        EXPECT_FALSE(exit.goes_to_l1());
        for (const std::uint64_t field : {0x681EU, 0x7FFFU}) {
            exit.registers[11] = field;
            EXPECT_TRUE(exit.goes_to_l1());
        }
        for (const std::uint64_t field : {0U, 0x681FU, 0x7FFEU}) {
            exit.registers[11] = field;
            EXPECT_FALSE(exit.goes_to_l1());
        }
        for (unsigned bit{15}; bit < 64; ++bit) {
            exit.registers[11] = std::uint64_t{1} << bit;
            exit.facts.in_64bit_mode = true;
            EXPECT_TRUE(exit.goes_to_l1()) << bit;
            exit.facts.in_64bit_mode = false; // the operand has 32 bits
            EXPECT_EQ(exit.goes_to_l1(), bit < 32) << bit;
        }
        // The other instruction's bitmap is not asked, and one that cannot be read asks for everything.
        exit.facts.in_64bit_mode = true;
        exit.registers[11] = 0;
        (reason == ExitReason::vmread ? exit.bitmaps.vmread : exit.bitmaps.vmwrite) = nullptr;
        (reason == ExitReason::vmread ? exit.bitmaps.vmwrite : exit.bitmaps.vmread) = page.get();
        EXPECT_TRUE(exit.goes_to_l1());
    }
}

// 26.5.6.2: by the function's bit in the VM-function controls; the number is in EAX.
TEST(ExitRouting, VmfuncIsL1sWhereItsFunctionIsOff) {
    Exit exit{ExitReason::vmfunc};
    EXPECT_TRUE(exit.goes_to_l1());
    exit.vmcs12.set(Field::vm_function_controls, 1);
    EXPECT_FALSE(exit.goes_to_l1());
    exit.registers[0] = 0xFFFFFFFF00000000;
    EXPECT_FALSE(exit.goes_to_l1());
    for (unsigned function{1}; function < 64; ++function) {
        exit.registers[0] = function;
        EXPECT_TRUE(exit.goes_to_l1());
    }
    exit.registers[0] = 64;
    EXPECT_TRUE(exit.goes_to_l1());
}

TEST(ExitRouting, XsavesNeedsTheComponentInAllThreeMasks) {
    for (const ExitReason reason : {ExitReason::xsaves, ExitReason::xrstors}) {
        Exit exit{reason};
        exit.primary(second);
        exit.secondary(secondary::enable_xsaves_xrstors);
        exit.registers[0] = 0xFFFFFFFF00000100; // EAX
        exit.registers[2] = 0x80;               // EDX: component 39
        exit.facts.ia32_xss = 0x8000000100;
        EXPECT_FALSE(exit.goes_to_l1());
        exit.vmcs12.set(Field::xss_exiting_bitmap, 0x100);
        EXPECT_TRUE(exit.goes_to_l1());
        exit.vmcs12.set(Field::xss_exiting_bitmap, 0x8000000000);
        EXPECT_TRUE(exit.goes_to_l1());
        exit.registers[0] = 0x80000000; // component 31
        exit.facts.ia32_xss = 0x80000000;
        exit.vmcs12.set(Field::xss_exiting_bitmap, 0x80000000);
        EXPECT_TRUE(exit.goes_to_l1());
        exit.facts.ia32_xss = 0x100;
        EXPECT_FALSE(exit.goes_to_l1());
    }
}

TEST(ExitRouting, AnInjectedMtfExitIsL1s) {
    Exit exit{ExitReason::monitor_trap_flag};
    exit.vmcs12.set(Field::vm_entry_interruption_information,
                    vmx::interruption::make(0, vmx::EventType::other_event));
    EXPECT_TRUE(exit.goes_to_l1());
    exit.vmcs12.set(Field::vm_entry_interruption_information, 0x700); // not valid
    EXPECT_FALSE(exit.goes_to_l1());
}

} // namespace
