#include "tests/vmcs/random_fingerprint.hpp"
#include "vmcs/recognition.hpp"

#include <gtest/gtest.h>

namespace shadowtune::vmcs {
namespace {

constexpr std::uint32_t ept{1U << 1}, unrestricted{1U << 7}, apic_v{1U << 9};

[[nodiscard]] std::vector<Fingerprint::Access> accesses_of(const Fingerprint& print) {
    std::vector<Fingerprint::Access> accesses{};
    for (std::size_t i{0}; i < print.size(); ++i)
        accesses.push_back(print[i]);
    return accesses;
}

[[nodiscard]] Fingerprint print_of(const std::vector<Fingerprint::Access>& accesses,
                                   const FieldSet& offered = testing::all_fields()) {
    Fingerprint print{};
    print.offered = offered;
    for (const auto& access : accesses) {
        if (offered.test(access.field)) print.add(access);
    }
    return print;
}

[[nodiscard]] Fingerprint in_mode(Fingerprint print, std::uint32_t secondary) {
    print.controls = {};
    print.controls.secondary = secondary;
    return print;
}

TEST(Compare, ItselfIsWhollyAlike) {
    std::mt19937_64 random{1};
    const Fingerprint print{testing::random_fingerprint(random)};
    const Similarity same{compare(print, print)};
    EXPECT_EQ(same.written, 1000U);
    EXPECT_EQ(same.order, 1000U);
    EXPECT_EQ(same.read, 1000U);
    EXPECT_EQ(same.overall, 1000U);
}

TEST(Compare, NothingIsLikeNothing) {
    std::mt19937_64 random{1};
    const Fingerprint print{testing::random_fingerprint(random)};
    EXPECT_EQ(compare({}, {}).overall, 0U);
    EXPECT_EQ(compare(print, {}).overall, 0U);
    EXPECT_EQ(compare(print, print_of({})).overall, 0U);
    const FieldIndex only{0};
    EXPECT_EQ(compare(print_of({{only, true}}), print_of({{only, true}})).order, 0U) << "one has no order";
}

TEST(Compare, IsTheSameBothWays) {
    std::mt19937_64 random{2};
    for (int i{0}; i < 50; ++i) {
        const Fingerprint a{testing::random_fingerprint(random)}, b{testing::random_fingerprint(random)};
        EXPECT_EQ(compare(a, b).overall, compare(b, a).overall);
        EXPECT_EQ(compare(a, b).order, compare(b, a).order);
    }
}

// Pairs counted one by one.
TEST(Compare, OrderIsThatOfPairs) {
    std::mt19937_64 random{3};
    for (int i{0}; i < 50; ++i) {
        const Fingerprint a{testing::random_fingerprint(random)};
        std::vector<Fingerprint::Access> mixed{accesses_of(a)};
        // From the same order to any order.
        for (int swaps{i * i}; swaps > 0; --swaps)
            std::swap(mixed[random() % mixed.size()], mixed[random() % mixed.size()]);
        const Fingerprint b{print_of(mixed)};
        const auto place{[](const Fingerprint& print, FieldIndex field) {
            for (std::size_t k{0}; k < print.size(); ++k)
                if (print[k] == Fingerprint::Access{field, true}) return static_cast<int>(k);
            return -1;
        }};
        int pairs{0}, same{0};
        for (FieldIndex x{0}; x < field_count; ++x) {
            for (FieldIndex y{0}; y < x; ++y) {
                if (place(a, x) < 0 || place(a, y) < 0) continue;
                ++pairs;
                same += (place(a, x) < place(a, y)) == (place(b, x) < place(b, y)) ? 1 : 0;
            }
        }
        const double expected{std::max(0.0, 2.0 * same / pairs - 1)};
        EXPECT_NEAR(compare(a, b).order, 1000 * expected, 1) << i;
    }
}

TEST(Compare, TheOppositeOrderIsNoLikeness) {
    std::mt19937_64 random{4};
    const Fingerprint print{testing::random_fingerprint(random)};
    std::vector<Fingerprint::Access> back{accesses_of(print)};
    std::ranges::reverse(back);
    EXPECT_EQ(compare(print, print_of(back)).order, 0U);
    EXPECT_EQ(compare(print, print_of(back)).written, 1000U);
}

// Haswell and Skylake-X: one has fields that the other lacks, and an L1 writes those that it has.
TEST(Compare, FieldsOfOneProcessorOnlySayNothing) {
    std::mt19937_64 random{5};
    const Fingerprint large{testing::random_fingerprint(random)};
    FieldSet fewer{testing::all_fields()};
    large.written().for_each([&](FieldIndex field) {
        if (field % 5 == 0) fewer.clear(field);
    });
    const Fingerprint small{print_of(accesses_of(large), fewer)};
    EXPECT_LT(small.size(), large.size());
    EXPECT_EQ(compare(large, small).overall, 1000U);
    EXPECT_EQ(compare(small, large).overall, 1000U);
}

TEST(Compare, ControlsAreMode) {
    std::mt19937_64 random{6};
    const Fingerprint print{testing::random_fingerprint(random)};
    EXPECT_EQ(compare(in_mode(print, 0), in_mode(print, ept | apic_v)).overall, 1000U);
}

class Recognise : public ::testing::Test {
protected:
    std::mt19937_64 random{7};
    Fingerprint one{testing::random_fingerprint(random)};
    Fingerprint other{testing::random_fingerprint(random)};
};

TEST_F(Recognise, AnEmptyLibraryKnowsNobody) {
    const Recognised found{recognise(one, {})};
    EXPECT_FALSE(found.is_known());
    EXPECT_EQ(found.nearest, Recognised::none);
}

TEST_F(Recognise, AStrangerIsUnknown) {
    const Fingerprint stranger{testing::random_fingerprint(random)};
    const Known known[]{{&one, "one"}, {&other, "other"}};
    const Recognised found{recognise(stranger, known)};
    EXPECT_FALSE(found.is_known());
    EXPECT_LT(found.similarity, least_similarity);
    EXPECT_NE(found.nearest, Recognised::none);
    EXPECT_NE(found.runner_up, Recognised::none);
    EXPECT_NE(known[found.nearest].type, known[found.runner_up].type);
}

TEST_F(Recognise, ASlightChangeIsStillTheSameType) {
    std::vector<Fingerprint::Access> changed{accesses_of(one)};
    std::swap(changed[3], changed[30]);
    changed.erase(changed.begin() + 10, changed.begin() + 13);
    const Known known[]{{&other, "other"}, {&one, "one"}};
    const Recognised found{recognise(print_of(changed), known)};
    ASSERT_TRUE(found.is_known());
    EXPECT_EQ(found.pick, 1U);
    EXPECT_EQ(found.runner_up, 0U);
    EXPECT_GT(found.similarity, found.runner_up_similarity + least_margin);
}

TEST_F(Recognise, TwoTypesAsAlikeAreNone) {
    const Known known[]{{&one, "a"}, {&one, "b"}};
    const Recognised found{recognise(one, known)};
    EXPECT_EQ(found.similarity, 1000U);
    EXPECT_EQ(found.runner_up_similarity, 1000U);
    EXPECT_FALSE(found.is_known());
    const Known same[]{{&one, "a"}, {&one, "a"}};
    EXPECT_TRUE(recognise(one, same).is_known());
    EXPECT_EQ(recognise(one, same).runner_up, Recognised::none);
}

// The nearest fingerprint tells the type; the mode chooses among those of the type.
TEST_F(Recognise, ThePickIsOfTheMode) {
    std::vector<Fingerprint::Access> changed{accesses_of(one)};
    std::swap(changed[3], changed[30]);
    const Fingerprint shadow{in_mode(one, 0)}, with_ept{in_mode(print_of(changed), ept | unrestricted)},
        with_apic_v{in_mode(print_of(changed), ept | unrestricted | apic_v)};
    const Known known[]{{&shadow, "a"}, {&with_ept, "a"}, {&with_apic_v, "a"}, {&other, "b"}};
    EXPECT_EQ(recognise(in_mode(one, 0), known).pick, 0U);
    EXPECT_EQ(recognise(in_mode(one, ept | unrestricted), known).pick, 1U);
    EXPECT_EQ(recognise(in_mode(one, ept), known).pick, 1U) << "the nearest mode";
    EXPECT_EQ(recognise(in_mode(one, ept | unrestricted | apic_v), known).pick, 2U);
    EXPECT_EQ(recognise(in_mode(one, apic_v), known).pick, 0U);
    EXPECT_EQ(recognise(in_mode(one, ept), known).nearest, 0U);
}

} // namespace
} // namespace shadowtune::vmcs
