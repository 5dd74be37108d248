#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
using vmx::EventType;
namespace entry = vmx::entry;
namespace secondary = vmx::secondary;

using S = EntrySample;
constexpr std::uint64_t hole{0x0000800000000000};
constexpr std::uint64_t interrupt_flag{0x200};

constexpr EntryCase guest_cases[]{
    {"the sample", [](S&) {}, {}},
    {"32-bit guest", [](S& s) { s.legacy_guest(); }, {}},
    {"real-address mode", [](S& s) { s.real_mode_guest(); }, {}},
    {"virtual-8086 mode", [](S& s) { s.v8086_guest(); }, {}},

    {"CR0 without PE",
     [](S& s) {
         s.legacy_guest();
         s.set(Field::guest_cr0, 0x30);
     },
     Field::guest_cr0},
    {"CR0 without NE, unrestricted",
     [](S& s) {
         s.real_mode_guest();
         s.set(Field::guest_cr0, 0x10);
     },
     Field::guest_cr0},
    {"PG without PE, unrestricted",
     [](S& s) {
         s.real_mode_guest();
         s.set(Field::guest_cr0, 0x80000030);
     },
     Field::guest_cr0},
    {"PE without PG, unrestricted",
     [](S& s) {
         s.legacy_guest();
         s.secondary(secondary::unrestricted_guest);
         s.set(Field::guest_cr0, 0x31);
     },
     {}},
    {"PE without PG, restricted",
     [](S& s) {
         s.legacy_guest();
         s.set(Field::guest_cr0, 0x31);
     },
     Field::guest_cr0},
    {"CR0.NW and CR0.CD are not checked",
     [](S& s) {
         s.offered[vmx::msr::vmx_cr0_fixed1] &= ~0x60000000ULL;
         s.add(Field::guest_cr0, 0x60000000);
     },
     {}},
    {"CR0 above bit 31", [](S& s) { s.add(Field::guest_cr0, 1ULL << 32); }, Field::guest_cr0},
    {"CR4 without VMXE", [](S& s) { s.remove(Field::guest_cr4, 0x2000); }, Field::guest_cr4},
    {"CR4 with a bit that is fixed to 0", [](S& s) { s.add(Field::guest_cr4, 0x1000000); }, Field::guest_cr4},
    {"CET without WP",
     [](S& s) {
         s.add(Field::guest_cr4, 1U << 23);
         s.remove(Field::guest_cr0, 1U << 16);
     },
     Field::guest_cr4},
    {"IA-32e mode without PG",
     [](S& s) {
         s.secondary(secondary::unrestricted_guest);
         s.remove(Field::guest_cr0, 0x80000000);
     },
     Field::guest_cr0},
    {"IA-32e mode without PAE", [](S& s) { s.remove(Field::guest_cr4, 0x20); }, Field::guest_cr4},
    {"PCIDE in IA-32e mode", [](S& s) { s.add(Field::guest_cr4, 0x20000); }, {}},
    {"PCIDE outside it",
     [](S& s) {
         s.legacy_guest();
         s.add(Field::guest_cr4, 0x20000);
     },
     Field::guest_cr4},
    {"CR3 beyond", [](S& s) { s.add(Field::guest_cr3, 1ULL << 40); }, Field::guest_cr3},

    {"DEBUGCTL",
     [](S& s) {
         s.entry(entry::load_debug_controls);
         s.set(Field::guest_ia32_debugctl, 3);
     },
     {}},
    {"DEBUGCTL reserved bit",
     [](S& s) {
         s.entry(entry::load_debug_controls);
         s.set(Field::guest_ia32_debugctl, 1U << 5);
     },
     Field::guest_ia32_debugctl},
    {"DR7 bit 32",
     [](S& s) {
         s.entry(entry::load_debug_controls);
         s.set(Field::guest_dr7, 1ULL << 32);
     },
     Field::guest_dr7},
    {"debug controls unused",
     [](S& s) {
         s.set(Field::guest_dr7, 1ULL << 32);
         s.set(Field::guest_ia32_debugctl, 1U << 5);
     },
     {}},
    {"SYSENTER_ESP", [](S& s) { s.set(Field::guest_ia32_sysenter_esp, hole); },
     Field::guest_ia32_sysenter_esp},
    {"SYSENTER_EIP", [](S& s) { s.set(Field::guest_ia32_sysenter_eip, hole); },
     Field::guest_ia32_sysenter_eip},
    {"PAT",
     [](S& s) {
         s.entry(entry::load_pat);
         s.set(Field::guest_ia32_pat, 0x0007040600070405);
     },
     {}},
    {"PAT type 3",
     [](S& s) {
         s.entry(entry::load_pat);
         s.set(Field::guest_ia32_pat, 0x0300);
     },
     Field::guest_ia32_pat},
    {"EFER",
     [](S& s) {
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0xD01);
     },
     {}},
    {"EFER reserved bit",
     [](S& s) {
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0xD05);
     },
     Field::guest_ia32_efer},
    {"EFER without LMA in IA-32e mode",
     [](S& s) {
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0x100);
     },
     Field::guest_ia32_efer},
    {"EFER without LME in IA-32e mode",
     [](S& s) {
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0x400);
     },
     Field::guest_ia32_efer},
    {"EFER.LMA outside IA-32e mode",
     [](S& s) {
         s.legacy_guest();
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0x500);
     },
     Field::guest_ia32_efer},
    {"EFER.LME with paging outside it",
     [](S& s) {
         s.legacy_guest();
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0x100);
     },
     Field::guest_ia32_efer},
    {"EFER.LME before paging",
     [](S& s) {
         s.real_mode_guest();
         s.entry(entry::load_efer);
         s.set(Field::guest_ia32_efer, 0x100);
     },
     {}},

    {"GDTR base", [](S& s) { s.set(Field::guest_gdtr_base, hole); }, Field::guest_gdtr_base},
    {"IDTR base", [](S& s) { s.set(Field::guest_idtr_base, hole); }, Field::guest_idtr_base},
    {"GDTR limit", [](S& s) { s.set(Field::guest_gdtr_limit, 0x10000); }, Field::guest_gdtr_limit},
    {"IDTR limit", [](S& s) { s.set(Field::guest_idtr_limit, 0x10000); }, Field::guest_idtr_limit},
    {"GDTR limit FFFFH", [](S& s) { s.set(Field::guest_gdtr_limit, 0xFFFF); }, {}},

    {"RIP not canonical but within 48 bits", [](S& s) { s.set(Field::guest_rip, hole); }, {}},
    {"RIP beyond 48 bits", [](S& s) { s.set(Field::guest_rip, 0x0001000000000000); }, Field::guest_rip},
    {"RIP above 4 GiB of a 32-bit guest",
     [](S& s) {
         s.legacy_guest();
         s.set(Field::guest_rip, 1ULL << 32);
     },
     Field::guest_rip},
    {"RIP above 4 GiB in compatibility mode", [](S& s) { s.set(Field::guest_cs_access_rights, 0xC09B); },
     Field::guest_rip},
    {"RFLAGS bit 1", [](S& s) { s.set(Field::guest_rflags, 0); }, Field::guest_rflags},
    {"RFLAGS bit 3", [](S& s) { s.add(Field::guest_rflags, 8); }, Field::guest_rflags},
    {"RFLAGS bit 15", [](S& s) { s.add(Field::guest_rflags, 0x8000); }, Field::guest_rflags},
    {"RFLAGS bit 22", [](S& s) { s.add(Field::guest_rflags, 1U << 22); }, Field::guest_rflags},
    {"RFLAGS all others", [](S& s) { s.add(Field::guest_rflags, 0x3D7FD7); }, {}},
    {"VM in IA-32e mode",
     [](S& s) {
         s.v8086_guest();
         s.entry(entry::ia32e_mode_guest);
         s.add(Field::guest_cr4, 0x20);
     },
     Field::guest_rflags},
    {"interrupt with IF",
     [](S& s) {
         s.inject(32, EventType::external_interrupt);
         s.add(Field::guest_rflags, interrupt_flag);
     },
     {}},
    {"interrupt without IF", [](S& s) { s.inject(32, EventType::external_interrupt); }, Field::guest_rflags},
    {"exception without IF", [](S& s) { s.inject(6, EventType::hardware_exception); }, {}},
};

TEST(EntryGuest, EachRuleOfRegisters) {
    run_entry_cases(guest_cases, &EntrySample::guest);
}

} // namespace
