#include "tests/vmcs/sets.hpp"
#include "vmcs/field_set.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace shadowtune::vmcs {
namespace {

// The same sets by the library's own container.
[[nodiscard]] std::set<FieldIndex> model_of(const FieldSet& set) {
    std::set<FieldIndex> model;
    for (FieldIndex i{0}; i < field_count; ++i) {
        if (set.test(i)) model.insert(i);
    }
    return model;
}

TEST(FieldSet, HoldsEachFieldApart) {
    for (FieldIndex i{0}; i < field_count; ++i) {
        FieldSet set{};
        EXPECT_TRUE(set.empty());
        set.set(i);
        EXPECT_EQ(model_of(set), std::set<FieldIndex>{i});
        EXPECT_EQ(set.count(), 1U);
        EXPECT_FALSE(set.empty());
        set.clear(i);
        EXPECT_EQ(set, FieldSet{});
    }
}

TEST(FieldSet, TakesFieldsByName) {
    FieldSet set{};
    set.set(Field::guest_rip);
    EXPECT_TRUE(set.test(Field::guest_rip));
    EXPECT_TRUE(set.test(find(0x681E)));
    EXPECT_FALSE(set.test(Field::guest_rsp));
    set.clear(Field::guest_rip);
    EXPECT_TRUE(set.empty());
}

TEST(FieldSet, VisitsMembersInAscendingOrder) {
    std::mt19937_64 random{1};
    for (unsigned round{0}; round < 200; ++round) {
        const FieldSet set{testing::random_fields(random, 1 + round % 20)};
        std::vector<FieldIndex> visited;
        set.for_each([&](FieldIndex index) { visited.push_back(index); });
        const auto model{model_of(set)};
        EXPECT_EQ(visited, std::vector<FieldIndex>(model.begin(), model.end()));
        EXPECT_EQ(set.count(), model.size());
    }
}

TEST(FieldSet, CombinesAsSetsDo) {
    std::mt19937_64 random{2};
    for (unsigned round{0}; round < 200; ++round) {
        const FieldSet a{testing::random_fields(random, 2)};
        const FieldSet b{testing::random_fields(random, 3)};
        for (FieldIndex i{0}; i < field_count; ++i) {
            ASSERT_EQ((a | b).test(i), a.test(i) || b.test(i));
            ASSERT_EQ((a & b).test(i), a.test(i) && b.test(i));
            ASSERT_EQ((a - b).test(i), a.test(i) && !b.test(i));
        }
        EXPECT_EQ((a - b) | (a & b), a);
    }
}

TEST(FieldSet, WordsComeBackButNotBeyondTheCatalogue) {
    std::mt19937_64 random{3};
    const FieldSet set{testing::random_fields(random, 2)};
    unsigned char bytes[sizeof(FieldSet) + 1];
    unsigned char* const unaligned{bytes + 1};
    set.store(unaligned);
    EXPECT_EQ(FieldSet::load(unaligned), set);
    EXPECT_TRUE(FieldSet::are_members(unaligned));

    std::memset(unaligned, 0xFF, sizeof(FieldSet));
    EXPECT_FALSE(FieldSet::are_members(unaligned));
    FieldSet full{FieldSet::load(unaligned)};
    EXPECT_EQ(full, testing::all_fields());
    EXPECT_EQ(full.count(), field_count);
    full.reset();
    EXPECT_TRUE(full.empty());
}

} // namespace
} // namespace shadowtune::vmcs
