// The page walk on hand-made tables, one rule each. SDM Vol. 3A, chapter 5 (edition 325462-087).

#include "hypervisor/memory/page_walk.hpp"
#include "tests/vmm/page_walk_model.hpp"

#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using memory::LinearTranslation;
using memory::PagingState;
using testing::TableMemory;

constexpr std::uint64_t present{1}, writable{2}, user{4}, accessed{0x20}, dirty{0x40}, large{0x80};
constexpr std::uint64_t pg{0x8000'0000}, wp{1U << 16}, pse{1U << 4}, pae{1U << 5}, smap{1U << 21},
    la57{1U << 12};
constexpr std::uint64_t lma{1U << 10}, nxe{1U << 11}, ac{1U << 18};

void expect_page(const LinearTranslation& real, std::uint64_t physical) {
    EXPECT_TRUE(real.present);
    EXPECT_EQ(real.physical, physical);
    EXPECT_EQ(real.error_code, 0U);
}

void expect_fault(const LinearTranslation& real, std::uint32_t error_code) {
    EXPECT_FALSE(real.present);
    EXPECT_EQ(real.error_code, error_code);
}

// Tables at 1000H (PML4 or directory), 2000H, 3000H, 4000H; index 1 of each leads to the next one.
class FourLevel : public ::testing::Test {
protected:
    static constexpr std::uint64_t linear{1ULL << 39 | 1ULL << 30 | 1ULL << 21 | 1ULL << 12 | 0x123};

    FourLevel() {
        tables.write64(pml4e, 0x2000 | present | writable | user);
        tables.write64(pdpte, 0x3000 | present | writable | user);
        tables.write64(pde, 0x4000 | present | writable | user);
        tables.write64(pte, 0x7'5432'1000 | present | writable);
    }

    [[nodiscard]] LinearTranslation read() { return memory::translate(tables, state, linear, false); }
    [[nodiscard]] LinearTranslation write() { return memory::translate(tables, state, linear, true); }

    static constexpr std::uint64_t pml4e{0x1008}, pdpte{0x2008}, pde{0x3008}, pte{0x4008};
    TableMemory tables{0x10000};
    PagingState state{pg | wp, 0x1000, pae, lma | nxe, 2, {}};
};

TEST_F(FourLevel, FourKibPage) {
    expect_page(read(), 0x7'5432'1123);
    EXPECT_EQ(tables.strays(), 0U);
}

TEST_F(FourLevel, TwoMibAndOneGibPagesIgnoreThePatBit) {
    constexpr std::uint64_t pat{0x1000};
    tables.write64(pde, 0x7'5420'0000 | pat | large | present);
    expect_page(read(), 0x7'5420'0000 | (linear & 0x1F'FFFF));
    tables.write64(pdpte, 0x7'4000'0000 | pat | large | present);
    expect_page(read(), 0x7'4000'0000 | (linear & 0x3FFF'FFFF));
}

TEST_F(FourLevel, UpperBitsOfAnEntryAreNoAddress) {
    tables.write64(pte, 0xFFF0'0000'0000'5000 | present);
    expect_page(read(), 0x5123);
}

TEST_F(FourLevel, AbsentEntriesFaultWithTheKindOfAccess) {
    for (const std::uint64_t place : {pml4e, pdpte, pde, pte}) {
        const std::uint64_t saved{tables.read64(place)};
        tables.write64(place, saved & ~present);
        expect_fault(read(), 0);
        expect_fault(write(), 2);
        tables.write64(place, saved);
    }
    expect_page(read(), 0x7'5432'1123);
}

TEST_F(FourLevel, WriteProtectionAtAnyLevelNeedsCr0Wp) {
    tables.write64(pte, tables.read64(pte) | user);
    for (const std::uint64_t place : {pml4e, pdpte, pde, pte}) {
        const std::uint64_t saved{tables.read64(place)};
        tables.write64(place, saved & ~writable);
        state.cr0 = pg | wp;
        expect_fault(write(), 3);
        expect_page(read(), 0x7'5432'1123);
        state.cr0 = pg;
        expect_page(write(), 0x7'5432'1123);
        tables.write64(place, saved);
    }
}

TEST_F(FourLevel, SmapGuardsUserPagesUnlessAcIsSet) {
    state.cr4 |= smap;
    expect_page(read(), 0x7'5432'1123); // the last entry makes it a supervisor page
    tables.write64(pte, tables.read64(pte) | user);
    expect_fault(read(), 1);
    expect_fault(write(), 3);
    state.rflags |= ac;
    expect_page(write(), 0x7'5432'1123);
    state.rflags = 2;
    tables.write64(pml4e, tables.read64(pml4e) & ~user); // one supervisor level is enough
    expect_page(write(), 0x7'5432'1123);
}

TEST_F(FourLevel, FlagsAreSetByWhatHappened) {
    expect_page(read(), 0x7'5432'1123);
    for (const std::uint64_t place : {pml4e, pdpte, pde, pte}) {
        EXPECT_EQ(tables.read64(place) & (accessed | dirty), accessed);
    }
    expect_page(write(), 0x7'5432'1123);
    EXPECT_EQ(tables.read64(pte) & (accessed | dirty), accessed | dirty);
    EXPECT_EQ(tables.read64(pde) & dirty, 0U); // only the entry that maps the page
}

TEST_F(FourLevel, ADeniedAccessLeavesThePagesEntryAlone) {
    tables.write64(pte, tables.read64(pte) & ~writable);
    const std::uint64_t before{tables.read64(pte)};
    expect_fault(write(), 3);
    EXPECT_EQ(tables.read64(pte), before);
    state.cr4 |= smap;
    tables.write64(pte, before | user);
    expect_fault(read(), 1);
    EXPECT_EQ(tables.read64(pte), before | user);
}

TEST_F(FourLevel, ReservedBitsFaultAtTheirLevelOnly) {
    constexpr std::uint64_t xd{1ULL << 63};
    state.physical_address_bits = 39;
    struct Case {
        std::uint64_t place, bits;
        bool reserved;
    };
    const Case cases[]{
        {pml4e, large, true},          {pdpte, 1ULL << 39, true},
        {pde, 1ULL << 51, true},       {pte, 1ULL << 39, true},
        {pte, 1ULL << 38, false},      {pte, xd, false},
        {pte, 0x7FFULL << 52, false},  {pte, large, false}, // a 4-KiB page's PAT bit
        {pde, large | 1U << 20, true}, {pdpte, large | 1U << 29, true},
        {pde, large, false},
    };
    for (const Case& c : cases) {
        const std::uint64_t saved{tables.read64(c.place)};
        tables.write64(c.place, (c.bits & large) != 0 && c.place != pte ? c.bits | present | writable
                                                                        : saved | c.bits);
        EXPECT_EQ(read().error_code, c.reserved ? 9U : 0U) << std::hex << c.place << " " << c.bits;
        EXPECT_EQ(write().error_code, c.reserved ? 11U : 0U) << std::hex << c.place << " " << c.bits;
        tables.write64(c.place, saved);
    }
    state.has_1gib_pages = false;
    tables.write64(pdpte, large | present | writable);
    expect_fault(read(), 9);
}

TEST_F(FourLevel, AReservedBitComesBeforeWhatIsBehindIt) {
    constexpr std::uint64_t xd{1ULL << 63};
    state.efer = lma;
    tables.write64(pde, tables.read64(pde) | xd);
    tables.write64(pte, 0);
    expect_fault(read(), 9);
    tables.write64(pdpte, tables.read64(pdpte) & ~present);
    expect_fault(read(), 0);
}

TEST_F(FourLevel, ProtectionKeysDenyUserPages) {
    constexpr std::uint64_t pke{1U << 22}, key_5{5ULL << 59};
    tables.write64(pte, tables.read64(pte) | user | key_5);
    state.pkru = 2U << 2 * 5; // no writes
    expect_page(write(), 0x7'5432'1123);
    state.cr4 |= pke;
    expect_page(read(), 0x7'5432'1123);
    expect_fault(write(), 0x23);
    state.cr0 &= ~wp;
    expect_page(write(), 0x7'5432'1123);
    state.pkru = 1U << 2 * 5;
    expect_fault(read(), 0x21);
    tables.write64(pte, tables.read64(pte) & ~user); // a supervisor page has no use for PKRU
    expect_page(read(), 0x7'5432'1123);
}

TEST_F(FourLevel, ProtectionKeysOfSupervisorPagesHaveARegisterOfTheirOwn) {
    constexpr std::uint64_t pks{1U << 24}, key_1{1ULL << 59};
    tables.write64(pte, tables.read64(pte) | key_1);
    state.cr4 |= pks;
    state.pkru = ~0U;
    expect_page(write(), 0x7'5432'1123);
    state.pkrs = 1U << 2;
    expect_fault(read(), 0x21);
}

TEST_F(FourLevel, FiveLevelsStartOneHigher) {
    state.cr4 |= la57;
    state.cr3 = 0x5000;
    tables.write64(0x5000 + 8 * 3, 0x1000 | present | writable);
    expect_page(memory::translate(tables, state, linear | 3ULL << 48, false), 0x7'5432'1123);
    expect_fault(memory::translate(tables, state, linear | 4ULL << 48, false), 0);
}

TEST(PageWalk, WithoutPagingTheLinearAddressIsPhysical) {
    TableMemory tables{0x1000};
    const TableMemory before{tables};
    const PagingState state{1, 0, 0, 0, 2, {}};
    expect_page(memory::translate(tables, state, 0x1'2345'6789, true), 0x2345'6789);
    EXPECT_TRUE(tables == before);
}

TEST(PageWalk, PaeTakesItsTopEntriesFromRegisters) {
    TableMemory tables{0x10000};
    const std::uint64_t linear{3ULL << 30 | 5ULL << 21 | 7ULL << 12 | 0xABC};
    PagingState state{pg | wp, 0x0BAD'0000, pae, 0, 2, {}};
    expect_fault(memory::translate(tables, state, linear, true), 2);
    state.pdpte[3] = 0x2000 | present;
    tables.write64(0x2000 + 8 * 5, 0x3000 | present | writable);
    tables.write64(0x3000 + 8 * 7, 0x12'3456'7000 | present | writable);
    expect_page(memory::translate(tables, state, linear, true), 0x12'3456'7ABC);
    // Bits above 31 of a linear address do not exist there.
    expect_page(memory::translate(tables, state, linear | 0xF'0000'0000, true), 0x12'3456'7ABC);
    tables.write64(0x2000 + 8 * 5, 0x12'3460'0000 | large | present);
    expect_page(memory::translate(tables, state, linear, false), 0x12'3460'0000 | (linear & 0x1F'FFFF));
    EXPECT_EQ(state.pdpte[3], 0x2000 | present);
}

TEST(PageWalk, ThirtyTwoBitPagesAreFourKibOrWithPseFourMib) {
    TableMemory tables{0x10000};
    const std::uint64_t linear{0x300ULL << 22 | 0x201ULL << 12 | 0xFED};
    PagingState state{pg | wp, 0x1018, 0, 0, 2, {}}; // PWT and PCD in CR3 are no address
    tables.write32(0x1000 + 4 * 0x300, 0x2000 | present | writable | large);
    tables.write32(0x2000 + 4 * 0x201, 0x8765'4000 | present | writable);
    expect_page(memory::translate(tables, state, linear, true), 0x8765'4FED);
    EXPECT_EQ(tables.read32(0x1000 + 4 * 0x300), 0x2000 | present | writable | large | accessed);
    EXPECT_EQ(tables.read32(0x2000 + 4 * 0x201), 0x8765'4000 | present | writable | accessed | dirty);
    // The neighbour of a 4-byte entry is another entry.
    EXPECT_EQ(tables.read32(0x2000 + 4 * 0x202), 0U);

    state.cr4 = pse;
    tables.write32(0x1000 + 4 * 0x300, 0x8740'0000 | present | writable | large);
    expect_page(memory::translate(tables, state, linear, true), 0x8740'0000 | (linear & 0x3F'FFFF));
    EXPECT_EQ(tables.read32(0x1000 + 4 * 0x300) & (accessed | dirty), accessed | dirty);
}

TEST(PageWalk, PaeHasNoIgnoredUpperBits) {
    TableMemory tables{0x10000};
    PagingState state{pg | wp, 0, pae, nxe, 2, {0x2000 | present}};
    tables.write64(0x2000, 0x3000 | present);
    tables.write64(0x3000, 0x4000 | present | 1ULL << 52);
    expect_fault(memory::translate(tables, state, 0x123, false), 9);
    tables.write64(0x3000, 0x4000 | present | 1ULL << 63);
    expect_page(memory::translate(tables, state, 0x123, false), 0x4123);
    state.efer = 0;
    expect_fault(memory::translate(tables, state, 0x123, false), 9);
}

TEST(PageWalk, FourMibPagesReserveWhatTheAddressDoesNotReach) {
    TableMemory tables{0x10000};
    PagingState state{pg, 0x1000, pse, 0, 2, {}};
    tables.write32(0x1000, 1U << 21 | large | present);
    expect_fault(memory::translate(tables, state, 0, false), 9);
    tables.write32(0x1000, 1U << 20 | large | present); // bit 39 of the address
    expect_page(memory::translate(tables, state, 0, false), 1ULL << 39);
    state.physical_address_bits = 39;
    expect_fault(memory::translate(tables, state, 0, false), 9);
}

TEST(PageWalk, Pse36PutsBits39To32IntoTheEntry) {
    TableMemory tables{0x10000};
    const PagingState state{pg, 0x1000, pse, 0, 2, {}};
    constexpr std::uint32_t high{0xA5U << 13};
    constexpr std::uint32_t pat{1U << 12}; // no address bit
    tables.write32(0x1000 + 4, 0x0040'0000 | high | pat | large | present);
    expect_page(memory::translate(tables, state, 0x0041'2345, false), 0xA5'0041'2345);
}

} // namespace
} // namespace shadowtune
