#include "tests/vmcs/sets.hpp"
#include "vmcs/profile.hpp"

#include <gtest/gtest.h>
#include <set>
#include <string_view>

namespace shadowtune::vmcs {
namespace {

[[nodiscard]] FieldSet only(Field field) {
    FieldSet set{};
    set.set(field);
    return set;
}

[[nodiscard]] ProfileTarget everything_offered(bool vmwrite_any_field) {
    return {testing::all_fields(), vmwrite_any_field};
}

void expect_broken(const ShadowSets& sets, const ProfileTarget& target, ProfileRule rule, Field field) {
    const auto checked{validate(sets, target)};
    ASSERT_FALSE(checked.ok()) << describe(rule);
    EXPECT_EQ(checked.error().rule, rule) << describe(checked.error().rule);
    EXPECT_EQ(checked.error().field, index_of(field));
}

TEST(ProfileRules, TheEmptyProfileIsAlwaysGood) {
    EXPECT_TRUE(validate({}, {}).ok());
    EXPECT_TRUE(validate({}, everything_offered(false)).ok());
}

TEST(ProfileRules, AFieldThatIsNotOfferedIsRefused) {
    ProfileTarget target{everything_offered(true)};
    const ShadowSets sets{only(Field::guest_rip), {}};
    EXPECT_TRUE(validate(sets, target).ok());
    target.offered.clear(Field::guest_rip);
    expect_broken(sets, target, ProfileRule::field_not_offered, Field::guest_rip);
}

TEST(ProfileRules, AFieldThatL0ChangesIsNeverShadowed) {
    const FieldSet error{only(Field::vm_instruction_error)};
    expect_broken({error, {}}, everything_offered(true), ProfileRule::never_shadowed,
                  Field::vm_instruction_error);
    expect_broken({error, error}, everything_offered(true), ProfileRule::never_shadowed,
                  Field::vm_instruction_error);
}

// Access rights, whose reserved bits L0 masks at each write, and the fields that L0 keeps state behind.
TEST(ProfileRules, AFieldWhoseWritesL0MustSeeIsReadOnly) {
    unsigned access_rights{0};
    unsigned l0_state{0};
    for (FieldIndex i{0}; i < field_count; ++i) {
        const Shadowing rule{catalogue[i].shadowing};
        if (rule != Shadowing::read_only_reserved_bits && rule != Shadowing::read_only_l0_state) continue;
        ++(rule == Shadowing::read_only_reserved_bits ? access_rights : l0_state);
        FieldSet field{};
        field.set(i);
        EXPECT_TRUE(validate({field, {}}, everything_offered(true)).ok()) << catalogue[i].symbol;
        const auto checked{validate({field, field}, everything_offered(true))};
        ASSERT_FALSE(checked.ok()) << catalogue[i].symbol;
        EXPECT_EQ(checked.error().rule, ProfileRule::write_not_allowed);
        EXPECT_EQ(checked.error().field, i);
        EXPECT_EQ(checked.error().encoding, catalogue[i].encoding);
    }
    EXPECT_EQ(access_rights, 8U);
    EXPECT_EQ(l0_state, 46U);
}

TEST(ProfileRules, AWriteNeedsItsRead) {
    const FieldSet rip{only(Field::guest_rip)};
    EXPECT_TRUE(validate({rip, rip}, everything_offered(false)).ok());
    expect_broken({{}, rip}, everything_offered(false), ProfileRule::write_without_read, Field::guest_rip);
}

TEST(ProfileRules, ReadOnlyDataIsWrittenOnlyWhereL1MayWriteIt) {
    const FieldSet reason{only(Field::exit_reason)};
    EXPECT_TRUE(validate({reason, {}}, everything_offered(false)).ok());
    expect_broken({reason, reason}, everything_offered(false), ProfileRule::read_only_data_written,
                  Field::exit_reason);
    EXPECT_TRUE(validate({reason, reason}, everything_offered(true)).ok());
}

TEST(ProfileRules, TheFirstBrokenFieldIsNamed) {
    ShadowSets sets{{}, only(Field::guest_rsp) | only(Field::guest_rip) | only(Field::guest_cr3)};
    // CR3 (6802H) is before RSP (681CH) and RIP (681EH).
    expect_broken(sets, everything_offered(true), ProfileRule::write_without_read, Field::guest_cr3);
    sets.read = only(Field::guest_cr3);
    expect_broken(sets, everything_offered(true), ProfileRule::write_without_read, Field::guest_rsp);
}

TEST(ProfileRules, EachRuleHasItsOwnWords) {
    std::set<std::string_view> texts;
    for (const auto rule :
         {ProfileRule::field_not_offered, ProfileRule::never_shadowed, ProfileRule::write_not_allowed,
          ProfileRule::write_without_read, ProfileRule::read_only_data_written,
          ProfileRule::high_half_differs, ProfileRule::unknown_encoding_passed}) {
        EXPECT_FALSE(describe(rule).empty());
        EXPECT_TRUE(texts.insert(describe(rule)).second) << describe(rule);
    }
}

// On any machine the most that may be shadowed is good, and one field more is not.
TEST(ProfileRules, EverythingAllowedIsGoodAndTheMost) {
    std::mt19937_64 random{5};
    for (unsigned round{0}; round < 40; ++round) {
        const ProfileTarget target{round == 0 ? testing::all_fields()
                                              : testing::random_fields(random, 1 + round % 4),
                                   round % 2 == 0};
        const ShadowSets most{everything_allowed(target)};
        ASSERT_TRUE(validate(most, target).ok());
        EXPECT_TRUE((most.write - most.read).empty());
        for (FieldIndex i{0}; i < field_count; ++i) {
            ShadowSets more{most};
            if (!most.read.test(i)) {
                more.read.set(i);
                EXPECT_FALSE(validate(more, target).ok()) << "read of " << catalogue[i].symbol;
            }
            if (!most.write.test(i)) {
                more.write.set(i);
                more.read.set(i);
                EXPECT_FALSE(validate(more, target).ok()) << "write of " << catalogue[i].symbol;
            }
        }
    }
}

// What is good stays good with less in it, as long as W stays within R.
TEST(ProfileRules, ASmallerProfileIsGoodToo) {
    std::mt19937_64 random{6};
    const ProfileTarget target{everything_offered(false)};
    const ShadowSets most{everything_allowed(target)};
    for (unsigned round{0}; round < 100; ++round) {
        const FieldSet read{most.read & testing::random_fields(random, 2)};
        const ShadowSets sets{read, read & most.write & testing::random_fields(random, 2)};
        EXPECT_TRUE(validate(sets, target).ok());
        EXPECT_EQ(sets.hot_set(), read);
        EXPECT_EQ(sets.synced(), sets.read.count() + sets.write.count());
    }
}

} // namespace
} // namespace shadowtune::vmcs
