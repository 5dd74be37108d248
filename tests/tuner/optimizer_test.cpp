// The optimiser against brute force over every valid choice and against GLPK, and its rules one by one.

#include "tests/tuner/milp_oracle.hpp"
#include "tests/tuner/random_instance.hpp"
#include "tests/tuner/valid_sets.hpp"
#include "tuner/optimizer.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace shadowtune {
namespace {

using tuner::Budget;
using tuner::CostTable;
using tuner::Workload;
using vmcs::Field;
using vmcs::FieldIndex;
using vmcs::ProfileTarget;
using vmcs::ShadowSets;

[[nodiscard]] double brute_force(const std::vector<FieldIndex>& fields, const Workload& workload,
                                 const CostTable& costs, const ProfileTarget& target, const Budget& budget) {
    double best{tuner::cost({}, workload, costs)};
    test::each_valid(fields, costs, target, budget, [&](const ShadowSets& sets) {
        best = std::min(best, tuner::cost(sets, workload, costs));
    });
    return best;
}

TEST(Optimizer, EqualsBruteForce) {
    test::RandomInstances random{20261120};
    int empty{0};
    int cut_by_budget{0};
    int cut_by_sync{0};
    for (int instance{0}; instance < 600; ++instance) {
        const auto fields{random.fields(5)};
        const Workload workload{random.workload(fields, random.below(100) + 1)};
        const CostTable costs{random.costs()};
        const ProfileTarget target{random.target(fields)};
        const Budget budget{random.budget(5, 200)};

        const ShadowSets sets{tuner::optimize(workload, costs, target, budget)};
        ASSERT_TRUE(vmcs::validate(sets, target).ok());
        if (budget.fields) {
            ASSERT_LE(sets.hot_set().count(), *budget.fields);
        }
        if (budget.sync) {
            ASSERT_LE(tuner::sync_cost(sets, costs), *budget.sync);
        }
        ASSERT_EQ(tuner::cost(sets, workload, costs), brute_force(fields, workload, costs, target, budget))
            << "instance " << instance;
        empty += sets.hot_set().empty() ? 1 : 0;
        const ShadowSets free{tuner::optimize(workload, costs, target)};
        cut_by_budget += budget.fields && free.hot_set().count() > *budget.fields ? 1 : 0;
        cut_by_sync += budget.sync && tuner::sync_cost(free, costs) > *budget.sync ? 1 : 0;
    }
    // The instances are worth something only where all outcomes occur.
    EXPECT_GT(empty, 30);
    EXPECT_LT(empty, 450);
    EXPECT_GT(cut_by_budget, 30);
    EXPECT_GT(cut_by_sync, 30);
}

TEST(Optimizer, ParetoFrontEqualsBruteForceAtEachSize) {
    test::RandomInstances random{5};
    std::size_t longest{0};
    for (int instance{0}; instance < 200; ++instance) {
        const auto fields{random.fields(5)};
        const Workload workload{random.workload(fields, random.below(100) + 1)};
        const CostTable costs{random.costs()};
        const ProfileTarget target{random.target(fields)};
        const auto front{tuner::pareto_front(tuner::gains_of(workload, costs), target)};
        longest = std::max(longest, front.size());
        std::size_t point{0};
        for (std::size_t size{0}; size <= fields.size(); ++size) {
            if (point + 1 < front.size() && front[point + 1].hot_set().count() == size) ++point;
            ASSERT_EQ(tuner::cost(front[point], workload, costs),
                      brute_force(fields, workload, costs, target, {size, {}}))
                << "instance " << instance << ", " << size << " fields";
        }
        ASSERT_EQ(point + 1, front.size()) << "a point that no size reaches";
        for (std::size_t i{1}; i < front.size(); ++i) {
            ASSERT_LT(tuner::cost(front[i], workload, costs), tuner::cost(front[i - 1], workload, costs));
        }
        ASSERT_EQ(front.back(), tuner::optimize(workload, costs, target));
    }
    EXPECT_EQ(longest, 6U);
}

// Instances of real size, which no brute force reaches.
TEST(Optimizer, EqualsGlpkUnderBudgets) {
    test::RandomInstances random{6};
    int cut{0};
    for (int instance{0}; instance < 60; ++instance) {
        const auto fields{random.fields(40 + random.below(60))};
        const Workload workload{random.workload(fields, 1000)};
        const CostTable costs{random.costs()};
        const ProfileTarget target{random.target(fields)};
        const Budget budget{random.budget(40, 1500)};
        const ShadowSets sets{tuner::optimize(workload, costs, target, budget)};
        if (budget.sync) {
            ASSERT_LE(tuner::sync_cost(sets, costs), *budget.sync);
        }
        const double gain{tuner::cost({}, workload, costs) - tuner::cost(sets, workload, costs)};
        const test::MilpWorkload milp[]{{tuner::gains_of(workload, costs), 0}};
        ASSERT_NEAR(gain, -test::milp_least_regret(milp, costs, target, budget), 1e-6 * (1 + gain))
            << "instance " << instance;
        cut += sets != tuner::optimize(workload, costs, target) ? 1 : 0;
    }
    EXPECT_GT(cut, 20);
}

class Rules : public ::testing::Test {
protected:
    void SetUp() override {
        for (FieldIndex i{0}; i < vmcs::field_count; ++i)
            m_target.offered.set(i);
        m_workload.round_trips = 1000;
    }
    void access(Field field, std::uint64_t reads, std::uint64_t writes) {
        m_workload.fields[vmcs::index_of(field)].reads = reads;
        m_workload.fields[vmcs::index_of(field)].writes = writes;
    }
    [[nodiscard]] ShadowSets optimum(const Budget& budget = {}) const {
        return tuner::optimize(m_workload, tuner::published_costs(), m_target, budget);
    }

    ProfileTarget m_target{};
    Workload m_workload{};
};

TEST_F(Rules, HotFieldsAreShadowedAndRareOnesAreNot) {
    access(Field::guest_rip, 1000, 700);
    access(Field::guest_cr3, 5, 3); // only while the guest booted
    access(Field::guest_rflags, 900, 2);
    const ShadowSets sets{optimum()};
    EXPECT_TRUE(sets.read.test(Field::guest_rip));
    EXPECT_TRUE(sets.write.test(Field::guest_rip));
    EXPECT_TRUE(sets.read.test(Field::guest_rflags));
    EXPECT_FALSE(sets.write.test(Field::guest_rflags));
    EXPECT_FALSE(sets.hot_set().test(Field::guest_cr3));
    EXPECT_EQ(sets.hot_set().count(), 2U);
}

TEST_F(Rules, FieldThatIsOnlyWrittenPaysForItsReadCopyToo) {
    access(Field::host_rsp, 0, 400);
    const ShadowSets sets{optimum()};
    EXPECT_TRUE(sets.read.test(Field::host_rsp));
    EXPECT_TRUE(sets.write.test(Field::host_rsp));
    // 0.0154 writes per round trip: pays for the copy back (17), not for both (27).
    access(Field::guest_rip, 1000, 0);
    access(Field::host_rsp, 0, 15);
    EXPECT_FALSE(optimum().hot_set().test(Field::host_rsp));
    access(Field::host_rsp, 0, 16);
    EXPECT_TRUE(optimum().write.test(Field::host_rsp));
}

TEST_F(Rules, ForbiddenFieldsStayOut) {
    access(Field::guest_rip, 1000, 1000);
    access(Field::vm_instruction_error, 5000, 0);
    access(Field::ept_pointer, 3000, 3000);
    access(Field::guest_cs_access_rights, 2000, 2000);
    access(Field::exit_reason, 1000, 1000);
    const ShadowSets sets{optimum()};
    EXPECT_FALSE(sets.hot_set().test(Field::vm_instruction_error));
    EXPECT_TRUE(sets.read.test(Field::ept_pointer));
    EXPECT_FALSE(sets.write.test(Field::ept_pointer));
    EXPECT_FALSE(sets.write.test(Field::guest_cs_access_rights));
    EXPECT_FALSE(sets.write.test(Field::exit_reason)); // without IA32_VMX_MISC[29]
    m_target.vmwrite_any_field = true;
    EXPECT_TRUE(optimum().write.test(Field::exit_reason));
    m_target.offered.clear(vmcs::index_of(Field::guest_rip));
    EXPECT_FALSE(optimum().hot_set().test(Field::guest_rip));
}

TEST_F(Rules, BudgetKeepsTheLargestGains) {
    access(Field::guest_rip, 1000, 1000);
    access(Field::guest_rsp, 0, 500);
    access(Field::guest_rflags, 800, 0);
    access(Field::exit_reason, 1000, 0);
    // Gains: RIP 2,721,000, exit reason 990,000, RSP 847,000, RFLAGS 790,000.
    const ShadowSets two{optimum({2, {}})};
    EXPECT_EQ(two.hot_set().count(), 2U);
    EXPECT_TRUE(two.write.test(Field::guest_rip));
    EXPECT_TRUE(two.read.test(Field::exit_reason));
    const ShadowSets three{optimum({3, {}})};
    EXPECT_TRUE(three.write.test(Field::guest_rsp));
    EXPECT_FALSE(three.hot_set().test(Field::guest_rflags));
    EXPECT_TRUE(optimum({0, {}}).hot_set().empty());
    EXPECT_EQ(optimum({4, {}}), optimum());
}

TEST_F(Rules, BudgetOfSyncWeighsCopies) {
    access(Field::guest_rip, 1000, 1000);
    access(Field::guest_rsp, 0, 500);
    access(Field::guest_rflags, 800, 0);
    // 300 are the shadow's own; 10 for R, 27 for R and W.
    EXPECT_TRUE(optimum({{}, 309}).hot_set().empty());
    const ShadowSets read{optimum({{}, 326})};
    EXPECT_TRUE(read.read.test(Field::guest_rip)); // its write, 1,731,000 more, finds no room
    EXPECT_TRUE(read.write.empty());
    EXPECT_EQ(read.hot_set().count(), 2U);
    const ShadowSets two{optimum({{}, 338})};
    EXPECT_TRUE(two.write.test(Field::guest_rip));
    EXPECT_TRUE(two.read.test(Field::guest_rflags));
    EXPECT_EQ(optimum({{}, 364}), optimum());
    EXPECT_EQ(optimum({1, 364}).hot_set().count(), 1U);
}

TEST_F(Rules, ShadowThatDoesNotPayItsFixedCostIsNotUsed) {
    access(Field::guest_rip, 310, 0); // gains 300,000: just what the shadow costs
    EXPECT_TRUE(optimum().hot_set().empty());
    access(Field::guest_rip, 311, 0);
    EXPECT_FALSE(optimum().hot_set().empty());
}

TEST_F(Rules, NoRoundTripsNoProfile) {
    m_workload.round_trips = 0;
    access(Field::guest_rip, 1000, 1000);
    EXPECT_TRUE(optimum().hot_set().empty());
}

} // namespace
} // namespace shadowtune
