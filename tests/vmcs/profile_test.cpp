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

TEST(ProfileRules, AFieldWithStateBehindItIsReadOnly) {
    const FieldSet pointer{only(Field::ept_pointer)};
    EXPECT_TRUE(validate({pointer, {}}, everything_offered(true)).ok());
    expect_broken({pointer, pointer}, everything_offered(true), ProfileRule::write_not_allowed,
                  Field::ept_pointer);
    const FieldSet rights{only(Field::guest_cs_access_rights)};
    EXPECT_TRUE(validate({rights, {}}, everything_offered(true)).ok());
    expect_broken({rights, rights}, everything_offered(true), ProfileRule::write_not_allowed,
                  Field::guest_cs_access_rights);
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
          ProfileRule::write_without_read, ProfileRule::read_only_data_written}) {
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
