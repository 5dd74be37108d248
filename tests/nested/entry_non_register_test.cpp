#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::GuestFailure;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
using nested::testing::sample_revision;

using S = EntrySample;
constexpr Field blocking{Field::guest_interruptibility_state};
constexpr Field activity{Field::guest_activity_state};
constexpr Field pending{Field::guest_pending_debug_exceptions};
constexpr Field link{Field::vmcs_link_pointer};
constexpr std::uint64_t interrupt_flag{0x200};
constexpr std::uint64_t trap_flag{0x100};

void pae_guest(S& s) {
    s.legacy_guest();
    s.add(Field::guest_cr4, 0x20);
}

constexpr std::uint64_t good_pdptes[4]{0x1001, 0, 0xFFFFFFF000 | 0xE19, 0x1E6}; // the last is not present
constexpr std::uint64_t bad_pdptes[4]{0x1001, 0, 0x1003, 0};

constexpr EntryCase non_register_cases[]{
    {"pending breakpoints", [](S& s) { s.set(pending, 0x100F); }, {}},
    {"pending BS where nothing blocks", [](S& s) { s.set(pending, 0x4000); }, {}},
    {"pending bus lock unknown", [](S& s) { s.set(pending, 0x800); }, pending},
    {"pending bus lock",
     [](S& s) {
         s.processor.has_bus_lock_debug = true;
         s.set(pending, 0x800);
     },
     {}},
    {"TF under MOV SS with BS",
     [](S& s) {
         s.set(blocking, 2);
         s.add(Field::guest_rflags, trap_flag);
         s.set(pending, 0x4000);
     },
     {}},
    {"TF under MOV SS without BS",
     [](S& s) {
         s.set(blocking, 2);
         s.add(Field::guest_rflags, trap_flag);
     },
     pending},
    {"TF in HLT without BS",
     [](S& s) {
         s.set(activity, 1);
         s.add(Field::guest_rflags, trap_flag);
     },
     pending},
    {"TF in shutdown without BS",
     [](S& s) {
         s.set(activity, 2);
         s.add(Field::guest_rflags, trap_flag);
     },
     {}},
    {"BS under STI without TF",
     [](S& s) {
         s.set(blocking, 1);
         s.add(Field::guest_rflags, interrupt_flag);
         s.set(pending, 0x4000);
     },
     pending},
    {"BTF under MOV SS without BS",
     [](S& s) {
         s.set(blocking, 2);
         s.add(Field::guest_rflags, trap_flag);
         s.set(Field::guest_ia32_debugctl, 2);
     },
     {}},
    {"BTF under MOV SS with BS",
     [](S& s) {
         s.set(blocking, 2);
         s.add(Field::guest_rflags, trap_flag);
         s.set(Field::guest_ia32_debugctl, 2);
         s.set(pending, 0x4000);
     },
     pending},
    {"RTM",
     [](S& s) {
         s.processor.has_rtm = true;
         s.set(pending, 0x11000);
     },
     {}},
    {"RTM unknown", [](S& s) { s.set(pending, 0x11000); }, pending},
    {"RTM without its breakpoint",
     [](S& s) {
         s.processor.has_rtm = true;
         s.set(pending, 0x10000);
     },
     pending},
    {"RTM with B0",
     [](S& s) {
         s.processor.has_rtm = true;
         s.set(pending, 0x11001);
     },
     pending},
    {"RTM under MOV SS",
     [](S& s) {
         s.processor.has_rtm = true;
         s.set(blocking, 2);
         s.set(pending, 0x11000);
     },
     pending},

    {"link pointer",
     [](S& s) {
         s.set(link, 0x5000);
         s.context.link_header = sample_revision & 0x7FFFFFFF;
         s.context.link_header_known = true;
     },
     {}},
    {"link pointer to a shadow VMCS",
     [](S& s) {
         s.set(link, 0x5000);
         s.context.link_header = sample_revision | 0x80000000;
         s.context.link_header_known = true;
     },
     link, GuestFailure::link_pointer},
    {"link pointer to another revision",
     [](S& s) {
         s.set(link, 0x5000);
         s.context.link_header_known = true;
     },
     link, GuestFailure::link_pointer},
    {"link pointer to no memory",
     [](S& s) {
         s.set(link, 0x5000);
         s.context.link_header = sample_revision;
     },
     link, GuestFailure::link_pointer},
    {"link pointer askew",
     [](S& s) {
         s.set(link, 0x5008);
         s.context.link_header = sample_revision;
         s.context.link_header_known = true;
     },
     link, GuestFailure::link_pointer},
    {"link pointer beyond",
     [](S& s) {
         s.set(link, 1ULL << 40);
         s.context.link_header = sample_revision;
         s.context.link_header_known = true;
     },
     link, GuestFailure::link_pointer},
    {"link pointer to the current VMCS",
     [](S& s) {
         s.set(link, 0x7000);
         s.context.link_header = sample_revision;
         s.context.link_header_known = true;
     },
     link, GuestFailure::link_pointer},

    {"PDPTE fields",
     [](S& s) {
         pae_guest(s);
         s.set(Field::guest_pdpte_0, 0x1019);
         s.set(Field::guest_pdpte_3, 0x1E6);
     },
     {}},
    {"PDPTE field bit 1",
     [](S& s) {
         pae_guest(s);
         s.set(Field::guest_pdpte_1, 0x1003);
     },
     Field::guest_pdpte_1, GuestFailure::pdpte},
    {"PDPTE field bit 8",
     [](S& s) {
         pae_guest(s);
         s.set(Field::guest_pdpte_2, 0x1101);
     },
     Field::guest_pdpte_2, GuestFailure::pdpte},
    {"PDPTE field beyond",
     [](S& s) {
         pae_guest(s);
         s.set(Field::guest_pdpte_3, (1ULL << 40) | 1);
     },
     Field::guest_pdpte_3, GuestFailure::pdpte},
    {"PDPTE fields in IA-32e mode", [](S& s) { s.set(Field::guest_pdpte_1, 0x1003); }, {}},
    {"PDPTE fields without PAE",
     [](S& s) {
         s.legacy_guest();
         s.set(Field::guest_pdpte_1, 0x1003);
     },
     {}},
    {"PDPTEs in memory",
     [](S& s) {
         pae_guest(s);
         s.set(Field::secondary_processor_based_controls, 0);
         s.context.pdptes = good_pdptes;
     },
     {}},
    {"bad PDPTEs in memory",
     [](S& s) {
         pae_guest(s);
         s.set(Field::secondary_processor_based_controls, 0);
         s.context.pdptes = bad_pdptes;
     },
     Field::guest_cr3, GuestFailure::pdpte},
    {"bad PDPTEs in memory with EPT",
     [](S& s) {
         pae_guest(s);
         s.context.pdptes = bad_pdptes;
     },
     {}},
};

TEST(EntryNonRegister, EachRule) {
    run_entry_cases(non_register_cases, &EntrySample::guest);
}

TEST(EntryNonRegister, ReservedPendingDebugBits) {
    for (unsigned bit{0}; bit < 64; ++bit) {
        EntrySample sample{};
        sample.set(pending, std::uint64_t{1} << bit);
        const bool known{bit < 4 || bit == 12 || bit == 14};
        EXPECT_EQ(sample.guest().ok(), known) << bit;
    }
}

TEST(EntryNonRegister, WhatTheCallerMustRead) {
    EntrySample sample{};
    EXPECT_FALSE(needs_link_header(sample.vmcs12, sample.processor));
    sample.set(link, 0x5008);
    EXPECT_FALSE(needs_link_header(sample.vmcs12, sample.processor));
    sample.set(link, 1ULL << 40);
    EXPECT_FALSE(needs_link_header(sample.vmcs12, sample.processor));
    sample.set(link, 0x5000);
    EXPECT_TRUE(needs_link_header(sample.vmcs12, sample.processor));
    EXPECT_FALSE(needs_pdptes(sample.vmcs12));
    pae_guest(sample);
    EXPECT_FALSE(needs_pdptes(sample.vmcs12));
    sample.set(Field::secondary_processor_based_controls, 0);
    EXPECT_TRUE(needs_pdptes(sample.vmcs12));
    sample.remove(Field::guest_cr4, 0x20);
    EXPECT_FALSE(needs_pdptes(sample.vmcs12));
}

} // namespace
