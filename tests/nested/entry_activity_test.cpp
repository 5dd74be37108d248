#include "tests/nested/entry_sample.hpp"

// Activity and interruptibility states, and what is injected into them: SDM Vol. 3C, 27.3.1.5 "Checks on
// Guest Non-Register State" (edition 325462-087).

namespace {

using namespace shadowtune;
using nested::GuestFailure;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
using vmx::EventType;

using S = EntrySample;
constexpr Field blocking{Field::guest_interruptibility_state};
constexpr Field activity{Field::guest_activity_state};
constexpr std::uint64_t interrupt_flag{0x200};

constexpr EntryCase activity_cases[]{
    {"HLT", [](S& s) { s.set(activity, 1); }, {}},
    {"shutdown", [](S& s) { s.set(activity, 2); }, {}},
    {"wait-for-SIPI", [](S& s) { s.set(activity, 3); }, {}},
    {"wait-for-SIPI is not offered",
     [](S& s) {
         s.offered[vmx::msr::vmx_misc] &= ~vmx::misc::activity_wait_for_sipi;
         s.set(activity, 3);
     },
     activity},
    {"HLT where it is not offered",
     [](S& s) {
         s.offered[vmx::msr::vmx_misc] &= ~vmx::misc::activity_hlt;
         s.set(activity, 1);
     },
     activity},
    {"activity state 4", [](S& s) { s.set(activity, 4); }, activity},
    {"HLT in ring 3",
     [](S& s) {
         s.set(activity, 1);
         s.set(Field::guest_ss_access_rights, 0xC0F3);
         s.set(Field::guest_cs_access_rights, 0xA0FB);
         s.set(Field::guest_ss_selector, 0x1B);
         s.set(Field::guest_cs_selector, 0x13);
     },
     activity},
    {"HLT with STI blocking",
     [](S& s) {
         s.set(activity, 1);
         s.set(blocking, 1);
         s.add(Field::guest_rflags, interrupt_flag);
     },
     activity},
    {"interrupt into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(32, EventType::external_interrupt);
         s.add(Field::guest_rflags, interrupt_flag);
     },
     {}},
    {"NMI into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(2, EventType::nmi);
     },
     {}},
    {"#DB into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(1, EventType::hardware_exception);
     },
     {}},
    {"#MC into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(18, EventType::hardware_exception);
     },
     {}},
    {"pending MTF into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(0, EventType::other_event);
     },
     {}},
    {"#UD into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(6, EventType::hardware_exception);
     },
     activity},
    {"INT into HLT",
     [](S& s) {
         s.set(activity, 1);
         s.inject(1, EventType::software_interrupt);
     },
     activity},
    {"NMI into shutdown",
     [](S& s) {
         s.set(activity, 2);
         s.inject(2, EventType::nmi);
     },
     {}},
    {"#MC into shutdown",
     [](S& s) {
         s.set(activity, 2);
         s.inject(18, EventType::hardware_exception);
     },
     {}},
    {"#DB into shutdown",
     [](S& s) {
         s.set(activity, 2);
         s.inject(1, EventType::hardware_exception);
     },
     activity},
    {"interrupt into shutdown",
     [](S& s) {
         s.set(activity, 2);
         s.inject(32, EventType::external_interrupt);
         s.add(Field::guest_rflags, interrupt_flag);
     },
     activity},
};

constexpr EntryCase interruptibility_cases[]{
    {"STI blocking",
     [](S& s) {
         s.set(blocking, 1);
         s.add(Field::guest_rflags, interrupt_flag);
     },
     {}},
    {"STI blocking with IF clear", [](S& s) { s.set(blocking, 1); }, blocking},
    {"MOV SS blocking with IF clear", [](S& s) { s.set(blocking, 2); }, {}},
    {"STI and MOV SS",
     [](S& s) {
         s.set(blocking, 3);
         s.add(Field::guest_rflags, interrupt_flag);
     },
     blocking},
    {"SMI blocking", [](S& s) { s.set(blocking, 4); }, blocking},
    {"NMI blocking", [](S& s) { s.set(blocking, 8); }, {}},
    {"enclave without SGX", [](S& s) { s.set(blocking, 16); }, blocking},
    {"enclave with SGX",
     [](S& s) {
         s.processor.has_sgx = true;
         s.set(blocking, 16);
     },
     {}},
    {"enclave and MOV SS",
     [](S& s) {
         s.processor.has_sgx = true;
         s.set(blocking, 18);
     },
     blocking},
    {"interruptibility bit 5", [](S& s) { s.set(blocking, 32); }, blocking},
    {"interrupt under STI",
     [](S& s) {
         s.set(blocking, 1);
         s.add(Field::guest_rflags, interrupt_flag);
         s.inject(32, EventType::external_interrupt);
     },
     blocking},
    {"interrupt under MOV SS",
     [](S& s) {
         s.set(blocking, 2);
         s.add(Field::guest_rflags, interrupt_flag);
         s.inject(32, EventType::external_interrupt);
     },
     blocking},
    {"exception under MOV SS",
     [](S& s) {
         s.set(blocking, 2);
         s.inject(6, EventType::hardware_exception);
     },
     {}},
    {"NMI under MOV SS",
     [](S& s) {
         s.set(blocking, 2);
         s.inject(2, EventType::nmi);
     },
     blocking},
    {"NMI under STI",
     [](S& s) {
         s.set(blocking, 1);
         s.add(Field::guest_rflags, interrupt_flag);
         s.inject(2, EventType::nmi);
     },
     {}},
    {"NMI under STI where the processor minds",
     [](S& s) {
         s.processor.nmi_needs_no_sti_blocking = true;
         s.set(blocking, 1);
         s.add(Field::guest_rflags, interrupt_flag);
         s.inject(2, EventType::nmi);
     },
     blocking, GuestFailure::nmi_with_sti_blocking},
    {"NMI under NMI blocking",
     [](S& s) {
         s.set(blocking, 8);
         s.inject(2, EventType::nmi);
     },
     {}},
    {"virtual NMI under NMI blocking",
     [](S& s) {
         s.pin(vmx::pin::nmi_exiting | vmx::pin::virtual_nmis);
         s.set(blocking, 8);
         s.inject(2, EventType::nmi);
     },
     blocking},
};

TEST(EntryActivity, EachRule) {
    run_entry_cases(activity_cases, &EntrySample::guest);
}

TEST(EntryInterruptibility, EachRule) {
    run_entry_cases(interruptibility_cases, &EntrySample::guest);
}

} // namespace
