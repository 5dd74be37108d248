#include "tests/nested/ept_chain.hpp"

#include <gtest/gtest.h>
#include <random>

namespace {

using namespace shadowtune;
using nested::EptOutcome;
using nested::EptSettings;
using nested::EptWalk;
namespace cap = vmx::ept_vpid_cap;
using nested::testing::Chain;
constexpr std::uint64_t everything{nested::testing::every_ept_capability};
constexpr std::uint64_t flags_on{nested::testing::ept_flags_on};
using nested::testing::EptMemory;

TEST(Eptp, AcceptsExactlyWhatIsSupported) {
    using nested::check_eptp;
    using nested::EptpError;
    EXPECT_EQ(check_eptp(0x1E, everything, 40), EptpError::ok);
    EXPECT_EQ(check_eptp(0x18, everything, 40), EptpError::ok);
    EXPECT_EQ(check_eptp(0x18, everything & ~cap::memory_type_uc, 40), EptpError::memory_type);
    EXPECT_EQ(check_eptp(0x1E, everything & ~cap::memory_type_wb, 40), EptpError::memory_type);
    for (const std::uint64_t type : {1U, 2U, 3U, 4U, 5U, 7U}) {
        EXPECT_EQ(check_eptp(0x18 | type, everything, 40), EptpError::memory_type);
    }
    for (const std::uint64_t length : {0U, 1U, 2U, 4U, 5U, 6U, 7U}) {
        EXPECT_EQ(check_eptp(6U | (length << 3), everything, 40), EptpError::walk_length);
    }
    EXPECT_EQ(check_eptp(0x1E, everything & ~cap::page_walk_4, 40), EptpError::walk_length);
    EXPECT_EQ(check_eptp(0x5E, everything, 40), EptpError::ok);
    EXPECT_EQ(check_eptp(0x5E, everything & ~cap::accessed_dirty, 40), EptpError::accessed_dirty);
    for (unsigned bit{7}; bit < 64; ++bit) {
        const bool address{bit >= 12 && bit < 40};
        EXPECT_EQ(check_eptp(0x1E | (std::uint64_t{1} << bit), everything, 40),
                  address ? EptpError::ok : EptpError::reserved_bits)
            << bit;
    }
}

TEST(EptWalk, FourLevelsToAPage) {
    Chain chain{};
    const EptWalk walk{chain.walk()};
    EXPECT_EQ(walk.outcome, EptOutcome::ok);
    EXPECT_EQ(walk.address, 0xABCDE123U);
    EXPECT_EQ(walk.level, 1);
    EXPECT_EQ(walk.page_shift, 12);
    EXPECT_EQ(walk.memory_type, 6);
    EXPECT_TRUE(walk.readable && walk.writable && walk.executable && walk.dirty);
    EXPECT_FALSE(walk.ignore_pat);
    EXPECT_TRUE(chain.memory.flagged.empty());
}

TEST(EptWalk, EachIndexComesFromItsNineBits) {
    EptMemory memory{};
    memory.words[0x1000 + 0x1A5 * 8] = 0x2007;
    memory.words[0x2000 + 0x0F3 * 8] = 0x3007;
    memory.words[0x3000 + 0x101 * 8] = 0x4007;
    memory.words[0x4000 + 0x0AA * 8] = 0x77777077; // UC-with-IPAT bits: type 6, IPAT
    const std::uint64_t address{(0x1A5ULL << 39) | (0x0F3ULL << 30) | (0x101ULL << 21) | (0x0AAULL << 12) |
                                0xFFF};
    const EptWalk walk{walk_ept12(memory, EptSettings{0x101E, everything, 40}, address, 1)};
    EXPECT_EQ(walk.outcome, EptOutcome::ok);
    EXPECT_EQ(walk.address, 0x77777FFFU);
    EXPECT_TRUE(walk.ignore_pat);
}

TEST(EptWalk, LargePagesKeepTheLowAddressBits) {
    Chain chain{};
    chain.entry(2) = 0x400000B7;
    EptWalk walk{chain.walk(1, 0x1FFFFF)};
    EXPECT_EQ(walk.outcome, EptOutcome::ok);
    EXPECT_EQ(walk.address, 0x401FFFFFU);
    EXPECT_EQ(walk.page_shift, 21);
    EXPECT_EQ(walk.level, 2);
    chain.entry(3) = 0xC00000B7;
    walk = chain.walk(1, 0x3FFFFFFF);
    EXPECT_EQ(walk.address, 0xFFFFFFFFU);
    EXPECT_EQ(walk.page_shift, 30);
    EXPECT_EQ(walk.level, 3);
}

TEST(EptWalk, LargePagesThatAreNotOfferedAreMisconfigurations) {
    Chain chain{};
    chain.entry(2) = 0x400000B7;
    chain.settings.ept_vpid_cap = everything & ~cap::pages_2m;
    EXPECT_EQ(chain.walk().outcome, EptOutcome::misconfiguration);
    chain.settings.ept_vpid_cap = everything & ~cap::pages_1g;
    EXPECT_EQ(chain.walk().outcome, EptOutcome::ok);
    chain.entry(3) = 0xC00000B7;
    EXPECT_EQ(chain.walk().outcome, EptOutcome::misconfiguration);
}

// Section 29.3.3.2: qualification bits 5:3 are the AND over the entries, the one that is not present
// included.
TEST(EptWalk, PermissionsAreTheAndOfAllLevels) {
    for (unsigned level{1}; level <= 4; ++level) {
        for (const std::uint64_t permissions : {0U, 1U, 3U, 4U, 5U, 7U}) {
            for (std::uint64_t access{1}; access < 8; ++access) {
                Chain chain{};
                chain.entry(level) = (chain.entry(level) & ~std::uint64_t{7}) | permissions;
                const EptWalk walk{chain.walk(access)};
                if ((access & ~permissions) == 0) {
                    EXPECT_EQ(walk.outcome, EptOutcome::ok);
                } else {
                    EXPECT_EQ(walk.outcome, EptOutcome::violation);
                    EXPECT_EQ(walk.qualification, access | (permissions << 3));
                    EXPECT_EQ(walk.level, permissions == 0 ? level : 1);
                }
                EXPECT_EQ(walk.readable, (permissions & 1) != 0);
                EXPECT_EQ(walk.writable, (permissions & 2) != 0);
                EXPECT_EQ(walk.executable, (permissions & 4) != 0);
            }
        }
    }
}

TEST(EptWalk, WriteWithoutReadAndUnsupportedExecuteOnlyAreMisconfigurations) {
    for (unsigned level{1}; level <= 4; ++level) {
        for (const std::uint64_t permissions : {2U, 4U, 6U}) {
            Chain chain{};
            chain.entry(level) = (chain.entry(level) & ~std::uint64_t{7}) | permissions;
            const bool execute_only{permissions == 4};
            EXPECT_EQ(chain.walk(vmx::ept_violation::fetch).outcome,
                      execute_only ? EptOutcome::ok : EptOutcome::misconfiguration);
            chain.settings.ept_vpid_cap &= ~cap::execute_only;
            EXPECT_EQ(chain.walk(vmx::ept_violation::fetch).outcome, EptOutcome::misconfiguration);
        }
    }
}

// Bits that make a present entry misconfigured, by level and kind: Tables 29-1 to 29-7, MAXPHYADDR 40.
TEST(EptWalk, EachReservedBitIsAMisconfigurationAndNoOther) {
    struct Kind {
        unsigned level;
        bool large;
        std::uint64_t reserved;
    };
    constexpr std::uint64_t high{0x000FFF0000000000};
    constexpr Kind kinds[]{{4, false, high | 0xF8}, {3, false, high | 0x78},    {3, true, high | 0x3FFFF000},
                           {2, false, high | 0x78}, {2, true, high | 0x1FF000}, {1, false, high}};
    for (const Kind& kind : kinds) {
        for (unsigned bit{6}; bit < 64; ++bit) {
            if (bit == 7 && (kind.level == 3 || kind.level == 2)) continue; // chooses the kind
            Chain chain{};
            std::uint64_t& entry{chain.entry(kind.level)};
            if (kind.large) entry = 0x4000000000 | 0xB7;
            const std::uint64_t added{std::uint64_t{1} << bit};
            const bool reserved{(kind.reserved & added) != 0};
            // An address bit leads to another table, which these zeros leave not present.
            entry |= added;
            const EptWalk walk{chain.walk()};
            EXPECT_EQ(walk.outcome == EptOutcome::misconfiguration, reserved)
                << "level " << kind.level << (kind.large ? " page" : "") << " bit " << bit;
        }
    }
}

TEST(EptWalk, MemoryTypesOfTheLeaf) {
    for (std::uint64_t type{0}; type < 8; ++type) {
        const bool reserved{type == 2 || type == 3 || type == 7};
        for (unsigned level{1}; level <= 3; ++level) {
            Chain chain{};
            chain.entry(level) = 0x40000007 | (level == 1 ? 0U : 0x80U) | (type << 3);
            const EptWalk walk{chain.walk()};
            EXPECT_EQ(walk.outcome, reserved ? EptOutcome::misconfiguration : EptOutcome::ok);
            if (!reserved) {
                EXPECT_EQ(walk.memory_type, type);
            }
        }
    }
}

TEST(EptWalk, MisconfigurationComesBeforeAMissingPermissionAbove) {
    Chain chain{};
    chain.entry(4) = 0x2001;
    chain.entry(1) = 0x1002;
    EXPECT_EQ(chain.walk(vmx::ept_violation::write).outcome, EptOutcome::misconfiguration);
    // But an absent entry ends the walk before anything below it.
    chain.entry(3) = 0;
    EXPECT_EQ(chain.walk(vmx::ept_violation::write).outcome, EptOutcome::violation);
}

TEST(EptWalk, TablesOutsideMemoryAreMisconfigurationsAtEachLevel) {
    for (unsigned level{1}; level <= 4; ++level) {
        for (const unsigned width : {36U, 46U, 52U}) {
            Chain chain{};
            chain.settings.physical_address_bits = width;
            chain.memory.absent = Chain::table(level);
            const EptWalk walk{chain.walk()};
            EXPECT_EQ(walk.outcome, EptOutcome::misconfiguration);
            EXPECT_EQ(walk.level, level);
        }
    }
}

TEST(EptWalk, FlagsAccessedOnEachEntryAndDirtyAtTheLeafOfAWrite) {
    for (const bool write : {false, true}) {
        Chain chain{};
        chain.settings.eptp |= flags_on;
        const EptWalk walk{chain.walk(write ? 3 : 1)};
        EXPECT_EQ(walk.outcome, EptOutcome::ok);
        EXPECT_EQ(walk.dirty, write);
        for (unsigned level{2}; level <= 4; ++level)
            EXPECT_EQ(chain.entry(level) & 0x300, 0x100U);
        EXPECT_EQ(chain.entry(1) & 0x300, write ? 0x300U : 0x100U);
        // What is set is not written again.
        chain.memory.flagged.clear();
        EXPECT_EQ(chain.walk(write ? 3 : 1).dirty, write);
        EXPECT_TRUE(chain.memory.flagged.empty());
    }
}

TEST(EptWalk, ForbiddenAccessesSetNoFlag) {
    Chain chain{};
    chain.settings.eptp |= flags_on;
    chain.entry(2) = 0x8005;
    EXPECT_EQ(chain.walk(vmx::ept_violation::write).outcome, EptOutcome::violation);
    EXPECT_TRUE(chain.memory.flagged.empty());
}

TEST(EptWalk, ChangingEntriesAreWalkedAgainButNotForEver) {
    Chain chain{};
    chain.settings.eptp |= flags_on;
    chain.memory.failures = 3;
    EXPECT_EQ(chain.walk(vmx::ept_violation::write).outcome, EptOutcome::ok);
    EXPECT_EQ(chain.entry(1) & 0x300, 0x300U);
    Chain hostile{};
    hostile.settings.eptp |= flags_on;
    hostile.memory.failures = 1000;
    EXPECT_EQ(hostile.walk(vmx::ept_violation::write).outcome, EptOutcome::busy);
    EXPECT_GT(hostile.memory.failures, 900U);
}

// The SDM's rules once more, in another shape: all levels first, then the verdict.
struct Naive {
    EptOutcome outcome;
    std::uint64_t address;
    std::uint64_t permissions;
};

Naive naive_walk(const EptMemory& memory, const EptSettings& settings, std::uint64_t address,
                 std::uint64_t access) {
    std::uint64_t all{7};
    std::uint64_t table{settings.eptp >> 12};
    for (int level{4}; level >= 1; --level) {
        const int shift{level * 9 + 3};
        const auto found{memory.words.find((table << 12) + ((address >> shift) % 512) * 8)};
        const std::uint64_t entry{found == memory.words.end() ? 0 : found->second};
        all &= entry;
        if (entry % 8 == 0) return {EptOutcome::violation, 0, 0};
        const std::uint64_t frame{(entry >> 12) % (1ULL << 40)};
        const bool page_bit{(entry >> 7) % 2 == 1};
        bool bad{entry % 4 == 2 || (entry % 8 == 4 && (settings.ept_vpid_cap & 1) == 0)};
        bad = bad || (frame >> (settings.physical_address_bits - 12)) != 0;
        const bool leaf{level == 1 || (page_bit && level != 4)};
        const std::uint64_t low{(entry >> 3) % 8};
        if (level == 4) bad = bad || (entry >> 3) % 32 != 0;
        if ((level == 2 || level == 3) && !leaf) bad = bad || (entry >> 3) % 16 != 0;
        if (leaf) bad = bad || low == 2 || low == 3 || low == 7;
        if (leaf && level == 2) bad = bad || frame % 512 != 0 || (settings.ept_vpid_cap & cap::pages_2m) == 0;
        if (leaf && level == 3)
            bad = bad || frame % 262144 != 0 || (settings.ept_vpid_cap & cap::pages_1g) == 0;
        if (bad) return {EptOutcome::misconfiguration, 0, 0};
        if (leaf) {
            const std::uint64_t size{1ULL << shift};
            const bool allowed{(access & ~all) == 0};
            return {allowed ? EptOutcome::ok : EptOutcome::violation,
                    (frame << 12) / size * size + address % size, all};
        }
        table = frame;
    }
    return {};
}

TEST(EptWalk, AgreesWithANaiveModelOnRandomTables) {
    std::mt19937_64 random{5};
    unsigned seen[3]{};
    for (unsigned round{0}; round < 400; ++round) {
        EptMemory memory{};
        EptSettings settings{0x101E, everything, 40};
        if (random() % 4 == 0) settings.ept_vpid_cap &= ~cap::execute_only;
        if (random() % 4 == 0) settings.ept_vpid_cap &= ~cap::pages_1g;
        if (random() % 4 == 0) settings.ept_vpid_cap &= ~cap::pages_2m;
        if (random() % 2 == 0) settings.eptp |= flags_on;
        // 16 tables, 4 slots each: entries mostly sound, some broken in one random bit.
        for (std::uint64_t table{1}; table <= 16; ++table) {
            for (std::uint64_t slot{0}; slot < 4; ++slot) {
                std::uint64_t entry{((random() % 16 + 1) << 12) | 7};
                if (random() % 4 == 0) entry = (random() % 64 << 30) | (random() % 2 * 0x30) | 0x87;
                if (random() % 4 == 0) entry = (entry & ~std::uint64_t{7}) | (random() % 8);
                if (random() % 12 == 0) entry ^= std::uint64_t{1} << (random() % 64);
                memory.words[table * 0x1000 + slot * 8] = entry;
            }
        }
        for (unsigned probe{0}; probe < 200; ++probe) {
            std::uint64_t address{random() % 0x1000};
            for (const unsigned shift : {12U, 21U, 30U, 39U})
                address |= (random() % 4) << shift;
            const std::uint64_t access{random() % 7 + 1};
            const Naive expected{naive_walk(memory, settings, address, access)};
            const EptWalk walk{walk_ept12(memory, settings, address, access)};
            ASSERT_EQ(walk.outcome, expected.outcome) << std::hex << address;
            ++seen[static_cast<unsigned>(walk.outcome)];
            if (walk.outcome == EptOutcome::ok) {
                ASSERT_EQ(walk.address, expected.address);
            }
            if (walk.outcome == EptOutcome::violation) {
                ASSERT_EQ(walk.qualification, access | (expected.permissions << 3));
            }
        }
    }
    // The tables are worth the test only if all outcomes are common in them.
    for (const unsigned count : seen)
        EXPECT_GT(count, 1000U);
}

} // namespace
