#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;
namespace exit_control = vmx::exit;

using S = EntrySample;
constexpr std::uint64_t hole{0x0000800000000000};

// A 32-bit host with a 32-bit guest, entered from protected mode.
void legacy_host(S& s) {
    s.legacy_guest();
    s.context.in_ia32e_mode = false;
    s.remove(Field::primary_vm_exit_controls, exit_control::host_address_space_size);
    s.set(Field::host_cr4, 0x2000);
    s.set(Field::host_rip, 0x1000);
    s.set(Field::host_ss_selector, 0x18);
}

constexpr EntryCase host_cases[]{
    {"the sample", [](S&) {}, {}},
    {"CR0 without PE", [](S& s) { s.remove(Field::host_cr0, 1); }, Field::host_cr0},
    {"CR0 without NE", [](S& s) { s.remove(Field::host_cr0, 0x20); }, Field::host_cr0},
    {"CR0 without PG", [](S& s) { s.remove(Field::host_cr0, 0x80000000); }, Field::host_cr0},
    {"CR0 above bit 31", [](S& s) { s.add(Field::host_cr0, 0x100000000); }, Field::host_cr0},
    {"CR0 without PE, with unrestricted guest",
     [](S& s) {
         s.secondary(vmx::secondary::unrestricted_guest);
         s.remove(Field::host_cr0, 1);
     },
     Field::host_cr0},
    {"CR0.NW and CR0.CD are not checked",
     [](S& s) {
         s.offered[vmx::msr::vmx_cr0_fixed1] &= ~0x60000000ULL;
         s.add(Field::host_cr0, 0x60000000);
     },
     {}},
    {"CR4 without VMXE", [](S& s) { s.remove(Field::host_cr4, 0x2000); }, Field::host_cr4},
    {"CR4 with a bit that is fixed to 0", [](S& s) { s.add(Field::host_cr4, 0x1000000); }, Field::host_cr4},
    {"CET without WP",
     [](S& s) {
         s.add(Field::host_cr4, 1U << 23);
         s.remove(Field::host_cr0, 1U << 16);
     },
     Field::host_cr4},
    {"CET with WP", [](S& s) { s.add(Field::host_cr4, 1U << 23); }, {}},
    {"CR3 at the width", [](S& s) { s.set(Field::host_cr3, 0xFFFFFFFFFF); }, {}},
    {"CR3 beyond", [](S& s) { s.set(Field::host_cr3, 0x10000000000); }, Field::host_cr3},
    {"CR3 bit 63", [](S& s) { s.add(Field::host_cr3, 1ULL << 63); }, Field::host_cr3},
    {"SYSENTER_ESP", [](S& s) { s.set(Field::host_ia32_sysenter_esp, hole); }, Field::host_ia32_sysenter_esp},
    {"SYSENTER_EIP", [](S& s) { s.set(Field::host_ia32_sysenter_eip, hole); }, Field::host_ia32_sysenter_eip},
    {"SYSENTER_EIP with 57 bits",
     [](S& s) {
         s.processor.linear_address_bits = 57;
         s.set(Field::host_ia32_sysenter_eip, hole);
     },
     {}},

    {"PAT",
     [](S& s) {
         s.exit(exit_control::load_pat);
         s.set(Field::host_ia32_pat, 0x0007040600070406);
     },
     {}},
    {"PAT type 2",
     [](S& s) {
         s.exit(exit_control::load_pat);
         s.set(Field::host_ia32_pat, 2ULL << 56);
     },
     Field::host_ia32_pat},
    {"PAT type 8",
     [](S& s) {
         s.exit(exit_control::load_pat);
         s.set(Field::host_ia32_pat, 8);
     },
     Field::host_ia32_pat},
    {"PAT unused", [](S& s) { s.set(Field::host_ia32_pat, 2); }, {}},
    {"EFER",
     [](S& s) {
         s.exit(exit_control::load_efer);
         s.set(Field::host_ia32_efer, 0xD01);
     },
     {}},
    {"EFER reserved bit",
     [](S& s) {
         s.exit(exit_control::load_efer);
         s.set(Field::host_ia32_efer, 0xD03);
     },
     Field::host_ia32_efer},
    {"EFER without LMA",
     [](S& s) {
         s.exit(exit_control::load_efer);
         s.set(Field::host_ia32_efer, 0x100);
     },
     Field::host_ia32_efer},
    {"EFER without LME",
     [](S& s) {
         s.exit(exit_control::load_efer);
         s.set(Field::host_ia32_efer, 0x400);
     },
     Field::host_ia32_efer},
    {"EFER unused", [](S& s) { s.set(Field::host_ia32_efer, 2); }, {}},

    {"RPL in DS", [](S& s) { s.set(Field::host_ds_selector, 0x1B); }, Field::host_ds_selector},
    {"TI in GS", [](S& s) { s.set(Field::host_gs_selector, 0x1C); }, Field::host_gs_selector},
    {"RPL in TR", [](S& s) { s.set(Field::host_tr_selector, 0x41); }, Field::host_tr_selector},
    {"null CS", [](S& s) { s.set(Field::host_cs_selector, 0); }, Field::host_cs_selector},
    {"null TR", [](S& s) { s.set(Field::host_tr_selector, 0); }, Field::host_tr_selector},
    {"null SS of a 64-bit host", [](S& s) { s.set(Field::host_ss_selector, 0); }, {}},
    {"FS base", [](S& s) { s.set(Field::host_fs_base, hole); }, Field::host_fs_base},
    {"GS base", [](S& s) { s.set(Field::host_gs_base, hole); }, Field::host_gs_base},
    {"TR base", [](S& s) { s.set(Field::host_tr_base, hole); }, Field::host_tr_base},
    {"GDTR base", [](S& s) { s.set(Field::host_gdtr_base, hole); }, Field::host_gdtr_base},
    {"IDTR base", [](S& s) { s.set(Field::host_idtr_base, hole); }, Field::host_idtr_base},

    {"RIP in the hole", [](S& s) { s.set(Field::host_rip, hole); }, Field::host_rip},
    {"no PAE for a 64-bit host", [](S& s) { s.remove(Field::host_cr4, 0x20); }, Field::host_cr4},
    {"PCIDE for a 64-bit host", [](S& s) { s.add(Field::host_cr4, 0x20000); }, {}},
    {"64-bit host from outside IA-32e mode", [](S& s) { s.context.in_ia32e_mode = false; },
     Field::primary_vm_exit_controls},
    {"32-bit guest of a 64-bit host", [](S& s) { s.legacy_guest(); }, {}},
    {"32-bit host", [](S& s) { legacy_host(s); }, {}},
    {"32-bit host in IA-32e mode",
     [](S& s) {
         legacy_host(s);
         s.context.in_ia32e_mode = true;
     },
     Field::primary_vm_exit_controls},
    {"64-bit guest of a 32-bit host",
     [](S& s) {
         legacy_host(s);
         s.entry(vmx::entry::ia32e_mode_guest);
     },
     Field::vm_entry_controls},
    {"PCIDE for a 32-bit host",
     [](S& s) {
         legacy_host(s);
         s.add(Field::host_cr4, 0x20000);
     },
     Field::host_cr4},
    {"RIP above 4 GiB of a 32-bit host",
     [](S& s) {
         legacy_host(s);
         s.set(Field::host_rip, 0x100000000);
     },
     Field::host_rip},
    {"null SS of a 32-bit host",
     [](S& s) {
         legacy_host(s);
         s.set(Field::host_ss_selector, 0);
     },
     Field::host_ss_selector},
    {"EFER of a 32-bit host",
     [](S& s) {
         legacy_host(s);
         s.exit(exit_control::load_efer);
         s.set(Field::host_ia32_efer, 0x801);
     },
     {}},
    {"LME for a 32-bit host",
     [](S& s) {
         legacy_host(s);
         s.exit(exit_control::load_efer);
         s.set(Field::host_ia32_efer, 0x100);
     },
     Field::host_ia32_efer},
};

TEST(EntryHost, EachRule) {
    run_entry_cases(host_cases, &EntrySample::host);
}

} // namespace
