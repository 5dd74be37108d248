#include "tests/nested/entry_sample.hpp"

namespace {

using namespace shadowtune;
using nested::testing::EntryCase;
using nested::testing::EntrySample;
using nested::testing::Field;

using S = EntrySample;
constexpr std::uint64_t hole{0x0000800000000000};
constexpr Field cs{Field::guest_cs_access_rights};
constexpr Field ss{Field::guest_ss_access_rights};
constexpr Field ds{Field::guest_ds_access_rights};
constexpr Field tr{Field::guest_tr_access_rights};
constexpr Field ldtr{Field::guest_ldtr_access_rights};

void ring_3(S& s) {
    s.set(Field::guest_cs_selector, 0x13);
    s.set(Field::guest_ss_selector, 0x1B);
    s.set(cs, 0xA0FB);
    s.set(ss, 0xC0F3);
}

void unrestricted(S& s) {
    s.secondary(vmx::secondary::unrestricted_guest);
}

void usable_ldtr(S& s) {
    s.segment(Field::guest_ldtr_selector, Field::guest_ldtr_limit, ldtr, 0x50, 0xFFFF, 0x82);
}

constexpr EntryCase segment_cases[]{
    {"ring 3", [](S& s) { ring_3(s); }, {}},

    {"TR in the LDT", [](S& s) { s.set(Field::guest_tr_selector, 0x44); }, Field::guest_tr_selector},
    {"TR base", [](S& s) { s.set(Field::guest_tr_base, hole); }, Field::guest_tr_base},
    {"available TSS", [](S& s) { s.set(tr, 0x89); }, tr},
    {"16-bit busy TSS in IA-32e mode", [](S& s) { s.set(tr, 0x83); }, tr},
    {"16-bit busy TSS outside it",
     [](S& s) {
         s.legacy_guest();
         s.set(tr, 0x83);
     },
     {}},
    {"TR unusable", [](S& s) { s.set(tr, 0x1008B); }, tr},
    {"TR with S", [](S& s) { s.set(tr, 0x9B); }, tr},
    {"TR not present", [](S& s) { s.set(tr, 0x0B); }, tr},
    {"TR reserved bit 8", [](S& s) { s.set(tr, 0x18B); }, tr},
    {"TR reserved bit 31", [](S& s) { s.set(tr, 0x8000008B); }, tr},
    {"TR with G and a small limit", [](S& s) { s.set(tr, 0x808B); }, tr},

    {"LDTR", [](S& s) { usable_ldtr(s); }, {}},
    {"LDTR in the LDT",
     [](S& s) {
         usable_ldtr(s);
         s.set(Field::guest_ldtr_selector, 0x54);
     },
     Field::guest_ldtr_selector},
    {"LDTR base",
     [](S& s) {
         usable_ldtr(s);
         s.set(Field::guest_ldtr_base, hole);
     },
     Field::guest_ldtr_base},
    {"LDTR type",
     [](S& s) {
         usable_ldtr(s);
         s.set(ldtr, 0x83);
     },
     ldtr},
    {"LDTR not present",
     [](S& s) {
         usable_ldtr(s);
         s.set(ldtr, 0x02);
     },
     ldtr},
    {"unusable LDTR is free",
     [](S& s) {
         s.set(ldtr, 0xFFFFFFFF);
         s.set(Field::guest_ldtr_base, hole);
         s.set(Field::guest_ldtr_selector, 4);
     },
     {}},

    {"data in CS",
     [](S& s) {
         s.legacy_guest();
         s.set(cs, 0xC093);
     },
     cs},
    {"data in CS, unrestricted",
     [](S& s) {
         s.legacy_guest();
         unrestricted(s);
         s.set(cs, 0xC093);
     },
     {}},
    {"ring 3 data in CS, unrestricted",
     [](S& s) {
         s.legacy_guest();
         unrestricted(s);
         s.set(cs, 0xC0F3);
     },
     cs},
    {"code not accessed", [](S& s) { s.set(cs, 0xA09A); }, cs},
    {"execute-only code", [](S& s) { s.set(cs, 0xA099); }, {}},
    {"CS.DPL above SS.DPL", [](S& s) { s.set(cs, 0xA0FB); }, cs},
    {"nonconforming code below SS.DPL",
     [](S& s) {
         ring_3(s);
         s.set(cs, 0xA09B);
     },
     cs},
    {"conforming code below SS.DPL",
     [](S& s) {
         ring_3(s);
         s.set(cs, 0xA09F);
     },
     {}},
    {"conforming code above SS.DPL", [](S& s) { s.set(cs, 0xA0FF); }, cs},
    {"CS system", [](S& s) { s.set(cs, 0xA08B); }, cs},
    {"CS not present", [](S& s) { s.set(cs, 0xA01B); }, cs},
    {"CS reserved bit 11", [](S& s) { s.set(cs, 0xA89B); }, cs},
    {"CS reserved bit 17", [](S& s) { s.set(cs, 0x2A09B); }, cs},
    {"L and D/B", [](S& s) { s.set(cs, 0xE09B); }, cs},
    {"L and D/B outside IA-32e mode",
     [](S& s) {
         s.legacy_guest();
         s.set(cs, 0xE09B);
     },
     {}},
    {"CS base above 4 GiB", [](S& s) { s.set(Field::guest_cs_base, 1ULL << 32); }, Field::guest_cs_base},
    {"CS limit with G not of whole pages", [](S& s) { s.set(Field::guest_cs_limit, 0xFFFFFFFE); }, cs},
    {"CS limit without G above 1 MiB",
     [](S& s) {
         s.set(cs, 0x209B);
         s.set(Field::guest_cs_limit, 0x100000);
     },
     cs},
    {"CS limit without G below 1 MiB",
     [](S& s) {
         s.set(cs, 0x209B);
         s.set(Field::guest_cs_limit, 0xFFFFE);
     },
     {}},
    {"CS limit FFFH with G", [](S& s) { s.set(Field::guest_cs_limit, 0xFFF); }, {}},

    {"SS.RPL differs from CS.RPL", [](S& s) { s.set(Field::guest_ss_selector, 0x19); },
     Field::guest_ss_selector},
    {"SS.RPL differs, unrestricted",
     [](S& s) {
         unrestricted(s);
         s.set(Field::guest_ss_selector, 0x19);
     },
     {}},
    {"SS.DPL differs from SS.RPL",
     [](S& s) {
         s.set(ss, 0xC0B3);
         s.set(cs, 0xA0BB);
     },
     ss},
    {"SS.DPL differs from SS.RPL, unusable",
     [](S& s) {
         s.set(ss, 0x10020);
         s.set(cs, 0xA0BB);
     },
     ss},
    {"SS.DPL differs from SS.RPL, unrestricted",
     [](S& s) {
         unrestricted(s);
         s.set(ss, 0xC0B3);
         s.set(cs, 0xA0BB);
     },
     {}},
    {"SS.DPL 3 in real-address mode",
     [](S& s) {
         s.real_mode_guest();
         s.set(ss, 0xF3);
     },
     ss},
    {"SS.DPL 3 without PE under code in CS",
     [](S& s) {
         s.real_mode_guest();
         s.set(cs, 0xFB);
         s.set(ss, 0xF3);
     },
     ss},
    {"SS read-only", [](S& s) { s.set(ss, 0xC091); }, ss},
    {"SS not accessed", [](S& s) { s.set(ss, 0xC092); }, ss},
    {"SS expand-down", [](S& s) { s.set(ss, 0xC097); }, {}},
    {"SS code", [](S& s) { s.set(ss, 0xC09B); }, ss},
    {"SS base above 4 GiB", [](S& s) { s.set(Field::guest_ss_base, 1ULL << 32); }, Field::guest_ss_base},
    {"unusable SS is free",
     [](S& s) {
         s.set(ss, 0x10000);
         s.set(Field::guest_ss_base, 1ULL << 32);
         s.set(Field::guest_ss_limit, 0x123456);
     },
     {}},
    {"SS not present", [](S& s) { s.set(ss, 0xC013); }, ss},

    {"DS not accessed", [](S& s) { s.set(ds, 0xC092); }, ds},
    {"DS execute-only code", [](S& s) { s.set(ds, 0xC099); }, ds},
    {"DS readable code", [](S& s) { s.set(ds, 0xC09B); }, {}},
    {"DS read-only", [](S& s) { s.set(ds, 0xC091); }, {}},
    {"DS.DPL below its RPL", [](S& s) { s.set(Field::guest_ds_selector, 0x1B); }, ds},
    {"DS.DPL below its RPL, unrestricted",
     [](S& s) {
         unrestricted(s);
         s.set(Field::guest_ds_selector, 0x1B);
     },
     {}},
    {"DS.DPL below its RPL, conforming code",
     [](S& s) {
         s.set(Field::guest_ds_selector, 0x1B);
         s.set(ds, 0xC09F);
     },
     {}},
    {"DS system", [](S& s) { s.set(ds, 0xC083); }, ds},
    {"DS not present", [](S& s) { s.set(ds, 0xC013); }, ds},
    {"DS reserved bit", [](S& s) { s.set(ds, 0xC193); }, ds},
    {"DS granularity", [](S& s) { s.set(ds, 0x4093); }, ds},
    {"DS base above 4 GiB", [](S& s) { s.set(Field::guest_ds_base, 1ULL << 32); }, Field::guest_ds_base},
    {"unusable ES is free",
     [](S& s) {
         s.set(Field::guest_es_access_rights, 0xFFFFFFFF);
         s.set(Field::guest_es_base, 1ULL << 32);
     },
     {}},
    {"FS base above 4 GiB", [](S& s) { s.set(Field::guest_fs_base, 0xFFFF800000000000); }, {}},
    {"FS base in the hole", [](S& s) { s.set(Field::guest_fs_base, hole); }, Field::guest_fs_base},
    {"GS base in the hole", [](S& s) { s.set(Field::guest_gs_base, hole); }, Field::guest_gs_base},

    {"virtual-8086 base",
     [](S& s) {
         s.v8086_guest();
         s.add(Field::guest_ds_base, 1);
     },
     Field::guest_ds_base},
    {"virtual-8086 limit",
     [](S& s) {
         s.v8086_guest();
         s.set(Field::guest_gs_limit, 0xFFFE);
     },
     Field::guest_gs_limit},
    {"virtual-8086 rights",
     [](S& s) {
         s.v8086_guest();
         s.set(cs, 0x93);
     },
     cs},
    {"virtual-8086 unusable",
     [](S& s) {
         s.v8086_guest();
         s.set(Field::guest_fs_access_rights, 0x100F3);
     },
     Field::guest_fs_access_rights},
};

TEST(EntrySegments, EachRule) {
    run_entry_cases(segment_cases, &EntrySample::guest);
}

// CS: accessed code, and read/write accessed data for an unrestricted guest; nothing else.
TEST(EntrySegments, EveryTypeOfCs) {
    for (unsigned type{0}; type < 16; ++type) {
        for (const bool free : {false, true}) {
            EntrySample sample{};
            sample.legacy_guest();
            if (free) unrestricted(sample);
            sample.set(cs, 0xC090 | type);
            const bool code{type == 9 || type == 11 || type == 13 || type == 15};
            EXPECT_EQ(sample.guest().ok(), code || (free && type == 3)) << type;
        }
    }
}

} // namespace
