// What a walk tells beyond its translation: page-modification logging, virtualization exceptions, L2's own
// page walks. SDM Vol. 3C, 26.5.7.1, 29.3.3.2 and 29.3.6 (edition 325462-087).

#include "tests/nested/ept_chain.hpp"

#include <gtest/gtest.h>

namespace {

using namespace shadowtune;
using nested::EptOutcome;
using nested::testing::Chain;
using nested::testing::ept_flags_on;

constexpr std::uint64_t accessed{0x100}, dirty{0x200}, suppress{std::uint64_t{1} << 63};
constexpr std::uint64_t read{vmx::ept_violation::read}, write{vmx::ept_violation::write};

TEST(EptLog, AWalkIsLoggedWhereItSetsTheLeafsDirtyFlag) {
    Chain chain{};
    chain.settings.eptp |= ept_flags_on;
    EXPECT_FALSE(chain.walk(read).dirtied);
    EXPECT_TRUE(chain.walk(write).dirtied);
    EXPECT_FALSE(chain.walk(write).dirtied);
    chain.entry(1) &= ~dirty;
    EXPECT_TRUE(chain.walk(read | write).dirtied);
    // Without the flags in the EPTP there is nothing to log.
    chain.settings.eptp &= ~ept_flags_on;
    chain.entry(1) &= ~dirty;
    const auto walk{chain.walk(write)};
    EXPECT_EQ(walk.outcome, EptOutcome::ok);
    EXPECT_TRUE(walk.dirty);
    EXPECT_FALSE(walk.dirtied);
}

TEST(EptLog, AChangeUnderTheWalkIsLoggedOnce) {
    Chain chain{};
    chain.settings.eptp |= ept_flags_on;
    chain.memory.failures = 3;
    EXPECT_TRUE(chain.walk(write).dirtied);
    EXPECT_FALSE(chain.walk(write).dirtied);
}

// Any flag that would have to be set finds the log full, and none is set then.
TEST(EptLog, AFullLogStopsTheWalkThatHasAFlagToSet) {
    for (unsigned level{1}; level <= 4; ++level) {
        Chain chain{};
        chain.settings.eptp |= ept_flags_on;
        (void)chain.walk(write);
        chain.settings.log_full = true;
        EXPECT_EQ(chain.walk(write).outcome, EptOutcome::ok);
        chain.entry(level) &= ~accessed;
        const auto words{chain.memory.words};
        for (const std::uint64_t access : {read, write}) {
            EXPECT_EQ(chain.walk(access).outcome, EptOutcome::log_full) << level;
            EXPECT_EQ(chain.memory.words, words);
        }
    }
    Chain clean{};
    clean.settings.eptp |= ept_flags_on;
    (void)clean.walk(read);
    clean.settings.log_full = true;
    EXPECT_EQ(clean.walk(read).outcome, EptOutcome::ok);
    EXPECT_EQ(clean.walk(write).outcome, EptOutcome::log_full);
    // A violation comes first: the access does not happen at all.
    clean.entry(1) &= ~std::uint64_t{2};
    EXPECT_EQ(clean.walk(write).outcome, EptOutcome::violation);
    clean.settings.eptp &= ~ept_flags_on;
    EXPECT_EQ(clean.walk(read).outcome, EptOutcome::ok);
}

TEST(EptViolatingAccess, APageWalkWithFlagsIsAReadAndAWrite) {
    namespace violation = vmx::ept_violation;
    constexpr std::uint64_t in_walk{violation::linear_address_valid};
    constexpr std::uint64_t at_the_end{in_walk | violation::final_access};
    constexpr std::uint64_t flags_off{0x101E}, flags_kept{flags_off | ept_flags_on};
    using nested::violating_access;
    for (const std::uint64_t access : {read, write, read | write}) {
        EXPECT_EQ(violating_access(flags_kept, in_walk | access), read | write);
        EXPECT_EQ(violating_access(flags_off, in_walk | access), access);
    }
    // Not of a walk: the page itself, or PDPTEs, which have no linear address.
    for (const std::uint64_t access : {read, write, violation::fetch}) {
        EXPECT_EQ(violating_access(flags_kept, at_the_end | access), access);
        EXPECT_EQ(violating_access(flags_kept, access), access);
    }
}

TEST(EptVirtualizationException, TheEntryThatIsNotPresentDecides) {
    for (unsigned level{1}; level <= 4; ++level) {
        for (const bool suppressed : {false, true}) {
            Chain chain{};
            // Bit 63 of the entries above does not matter.
            for (unsigned above{level + 1}; above <= 4; ++above)
                chain.entry(above) |= suppressed ? 0 : suppress;
            chain.entry(level) = suppressed ? suppress : 0;
            const auto walk{chain.walk(read)};
            EXPECT_EQ(walk.outcome, EptOutcome::violation);
            EXPECT_EQ(walk.convertible, !suppressed) << level;
        }
    }
}

TEST(EptVirtualizationException, OtherwiseTheLeafDecides) {
    for (unsigned denying{1}; denying <= 4; ++denying) {
        for (const bool suppressed : {false, true}) {
            Chain chain{};
            chain.entry(denying) &= ~std::uint64_t{2};
            if (suppressed) chain.entry(1) |= suppress;
            const auto walk{chain.walk(write)};
            EXPECT_EQ(walk.outcome, EptOutcome::violation);
            EXPECT_EQ(walk.convertible, !suppressed) << denying;
        }
    }
}

} // namespace
