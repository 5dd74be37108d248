#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
using vmx::EventType;
namespace primary = vmx::primary;

using S = EntrySample;
constexpr Field injection{Field::vm_entry_interruption_information};

constexpr EntryCase injection_cases[]{
    {"injection not valid", [](S& s) { s.set(injection, 0x7FFFFFFF); }, {}},
    {"interrupt 255", [](S& s) { s.inject(255, EventType::external_interrupt); }, {}},
    {"type 1", [](S& s) { s.inject(0, EventType::reserved); }, injection},
    {"NMI", [](S& s) { s.inject(2, EventType::nmi); }, {}},
    {"NMI with vector 3", [](S& s) { s.inject(3, EventType::nmi); }, injection},
    {"exception 31", [](S& s) { s.inject(31, EventType::hardware_exception); }, {}},
    {"exception 32", [](S& s) { s.inject(32, EventType::hardware_exception); }, injection},
    {"pending MTF", [](S& s) { s.inject(0, EventType::other_event); }, {}},
    {"other event 1", [](S& s) { s.inject(1, EventType::other_event); }, injection},
    {"pending MTF without MTF",
     [](S& s) {
         s.inject(0, EventType::other_event);
         s.offered[vmx::msr::vmx_true_primary] &= ~(std::uint64_t{primary::monitor_trap_flag} << 32);
     },
     injection},
    {"interrupt with error code", [](S& s) { s.inject(14, EventType::external_interrupt, true); }, injection},
    {"#GP with error code",
     [](S& s) {
         s.inject(13, EventType::hardware_exception, true);
         s.set(Field::vm_entry_exception_error_code, 0xFFFF);
     },
     {}},
    {"error code of 17 bits",
     [](S& s) {
         s.inject(13, EventType::hardware_exception, true);
         s.set(Field::vm_entry_exception_error_code, 0x10000);
     },
     Field::vm_entry_exception_error_code},
    {"error code of 17 bits unused",
     [](S& s) {
         s.inject(6, EventType::hardware_exception);
         s.set(Field::vm_entry_exception_error_code, 0x10000);
     },
     {}},
    {"#PF in real-address mode",
     [](S& s) {
         s.real_mode_guest();
         s.inject(14, EventType::hardware_exception);
     },
     {}},
    {"#PF with error code in real-address mode",
     [](S& s) {
         s.real_mode_guest();
         s.inject(14, EventType::hardware_exception, true);
     },
     injection},
    {"#UD with error code where the vector is free",
     [](S& s) {
         s.offered[vmx::msr::vmx_basic] |= vmx::basic::any_error_code;
         s.inject(6, EventType::hardware_exception, true);
     },
     {}},
    {"software interrupt of 2 bytes",
     [](S& s) {
         s.inject(0x80, EventType::software_interrupt);
         s.set(Field::vm_entry_instruction_length, 2);
     },
     {}},
    {"software interrupt of 15 bytes",
     [](S& s) {
         s.inject(0x80, EventType::software_interrupt);
         s.set(Field::vm_entry_instruction_length, 15);
     },
     {}},
    {"software interrupt of 16 bytes",
     [](S& s) {
         s.inject(0x80, EventType::software_interrupt);
         s.set(Field::vm_entry_instruction_length, 16);
     },
     Field::vm_entry_instruction_length},
    {"software exception of 16 bytes",
     [](S& s) {
         s.inject(3, EventType::software_exception);
         s.set(Field::vm_entry_instruction_length, 16);
     },
     Field::vm_entry_instruction_length},
    {"INT1 of 16 bytes",
     [](S& s) {
         s.inject(1, EventType::privileged_software_exception);
         s.set(Field::vm_entry_instruction_length, 16);
     },
     Field::vm_entry_instruction_length},
    {"software interrupt of no bytes", [](S& s) { s.inject(0x80, EventType::software_interrupt); }, {}},
    {"software interrupt of no bytes, not offered",
     [](S& s) {
         s.offered[vmx::msr::vmx_misc] &= ~vmx::misc::inject_length_zero;
         s.inject(0x80, EventType::software_interrupt);
     },
     Field::vm_entry_instruction_length},
    {"length of a hardware exception",
     [](S& s) {
         s.inject(6, EventType::hardware_exception);
         s.set(Field::vm_entry_instruction_length, 99);
     },
     {}},
};

TEST(EntryInjection, EachRule) {
    run_entry_cases(injection_cases, &EntrySample::controls);
}

// Section 27.2.1.3: the error-code bit is 1 for #DF, #TS, #NP, #SS, #GP, #PF and #AC, else 0.
TEST(EntryInjection, ErrorCodesOfAllVectors) {
    for (unsigned vector{0}; vector < 32; ++vector) {
        const bool has_code{vector == 8 || (vector >= 10 && vector <= 14) || vector == 17};
        for (const bool deliver : {false, true}) {
            EntrySample sample{};
            sample.inject(static_cast<std::uint8_t>(vector), EventType::hardware_exception, deliver);
            EXPECT_EQ(sample.controls().ok(), deliver == has_code) << vector;
        }
    }
}

// The same section: in real mode there are none, and only an unrestricted guest is ever in it. A CR0 without
// PE and without "unrestricted guest" is refused as guest state, not here.
TEST(EntryInjection, ErrorCodesInRealMode) {
    constexpr std::uint8_t general_protection{13};
    for (const bool unrestricted : {false, true}) {
        for (const bool deliver : {false, true}) {
            EntrySample sample{};
            if (unrestricted) sample.secondary(vmx::secondary::unrestricted_guest);
            sample.set(Field::guest_cr0, 0x20);
            sample.inject(general_protection, EventType::hardware_exception, deliver);
            EXPECT_EQ(sample.controls().ok(), deliver != unrestricted) << unrestricted << deliver;
        }
    }
}

TEST(EntryInjection, ReservedBitsOfTheInjectedEvent) {
    for (unsigned bit{12}; bit < 31; ++bit) {
        EntrySample sample{};
        sample.inject(6, EventType::hardware_exception);
        sample.add(injection, std::uint64_t{1} << bit);
        EXPECT_FALSE(sample.controls().ok()) << bit;
    }
}

} // namespace
