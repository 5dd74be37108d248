// One profile for several workloads: the mean and the least worst regret, against brute force and GLPK.

#include "tests/tuner/milp_oracle.hpp"
#include "tests/tuner/random_instance.hpp"
#include "tests/tuner/valid_sets.hpp"
#include "tuner/minimax.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using tuner::Budget;
using tuner::Mix;
using vmcs::ShadowSets;

[[nodiscard]] Mix random_mix(test::RandomInstances& random, const std::vector<vmcs::FieldIndex>& fields,
                             std::size_t workloads) {
    Mix mix{};
    for (std::size_t k{0}; k < workloads; ++k) {
        mix.push_back(
            {random.workload(fields, random.below(100) + 1), 1.0 + static_cast<double>(random.below(4))});
    }
    return mix;
}

TEST(Mean, EqualsBruteForce) {
    test::RandomInstances random{11};
    for (int instance{0}; instance < 100; ++instance) {
        const auto fields{random.fields(5)};
        const Mix mix{random_mix(random, fields, 3)};
        const auto costs{random.costs()};
        const auto target{random.target(fields)};
        const Budget budget{random.budget(5, 200)};
        const ShadowSets sets{tuner::best_sets(tuner::mean_gains(mix, costs), costs, target, budget)};
        double best{tuner::mean_effect({}, mix, costs).cost};
        test::each_valid(fields, costs, target, budget, [&](const ShadowSets& candidate) {
            best = std::min(best, tuner::mean_effect(candidate, mix, costs).cost);
        });
        ASSERT_NEAR(tuner::mean_effect(sets, mix, costs).cost, best, 1e-9 * (1 + best)) << instance;
    }
}

TEST(Mean, OfOneWorkloadIsItsPrediction) {
    test::RandomInstances random{12};
    const auto fields{random.fields(20)};
    const Mix mix{{random.workload(fields, 50), 3}};
    const auto costs{random.costs()};
    const auto target{random.target(fields)};
    const ShadowSets sets{tuner::optimize(mix[0].workload, costs, target)};
    EXPECT_EQ(tuner::best_sets(tuner::mean_gains(mix, costs), costs, target), sets);
    EXPECT_DOUBLE_EQ(tuner::mean_effect(sets, mix, costs).cost,
                     tuner::predict(sets, mix[0].workload, costs).cost);
    EXPECT_NEAR(tuner::regrets(sets, mix, costs, target, {})[0], 0, 1e-9);
}

// The sum of such weights is no finite number; their shares are.
TEST(Mean, WeightsOfAnySize) {
    test::RandomInstances random{15};
    const auto fields{random.fields(20)};
    const Mix mix{random_mix(random, fields, 2)};
    const auto costs{random.costs()};
    const auto cost_at{[&](double first, double second) {
        Mix weighted{mix};
        weighted[0].weight = first;
        weighted[1].weight = second;
        return tuner::mean_effect({}, weighted, costs).cost;
    }};
    EXPECT_EQ(cost_at(1e308, 1e308), cost_at(1, 1));
    EXPECT_EQ(cost_at(5e-324, 5e-324), cost_at(1, 1));
    EXPECT_DOUBLE_EQ(cost_at(5e307, 1.5e308), cost_at(1, 3));
    EXPECT_DOUBLE_EQ(cost_at(1e308, 5e-324), tuner::mean_effect({}, Mix{mix[0]}, costs).cost);
}

TEST(Minimax, EqualsBruteForce) {
    test::RandomInstances random{13};
    int differs_from_mean{0};
    for (int instance{0}; instance < 150; ++instance) {
        const auto fields{random.fields(5)};
        const Mix mix{random_mix(random, fields, 1 + random.below(4))};
        const auto costs{random.costs()};
        const auto target{random.target(fields)};
        const Budget budget{random.budget(5, 200)};
        const auto found{tuner::least_regret(mix, costs, target, budget)};
        const auto worst{[&](const ShadowSets& sets) {
            return std::ranges::max(tuner::regrets(sets, mix, costs, target, budget));
        }};
        ASSERT_TRUE(vmcs::validate(found.sets, target).ok());
        ASSERT_NEAR(found.worst, worst(found.sets), 1e-9 * (1 + found.worst));
        double best{worst({})};
        test::each_valid(fields, costs, target, budget,
                         [&](const ShadowSets& sets) { best = std::min(best, worst(sets)); });
        ASSERT_NEAR(found.worst, best, 1e-9 * (1 + best)) << "instance " << instance;
        ASSERT_NEAR(found.lower_bound, best, 1e-8 * (1 + best));
        const ShadowSets mean{tuner::best_sets(tuner::mean_gains(mix, costs), costs, target, budget)};
        differs_from_mean += worst(mean) > best + 1e-6 ? 1 : 0;
    }
    EXPECT_GT(differs_from_mean, 10);
}

// As many fields as real workloads have, and workloads that want different ones.
TEST(Minimax, EqualsGlpk) {
    test::RandomInstances random{14};
    for (int instance{0}; instance < 25; ++instance) {
        const auto fields{random.fields(20)};
        const Mix mix{random_mix(random, fields, 3)};
        const auto costs{random.costs()};
        const auto target{random.target(fields)};
        const Budget budget{random.budget(20, 600)};
        const auto found{tuner::least_regret(mix, costs, target, budget)};
        std::vector<test::MilpWorkload> milp{};
        for (const auto& [workload, weight] : mix) {
            const tuner::Gains gains{tuner::gains_per_round_trip(workload, costs)};
            const tuner::Mix one{{workload, 1}};
            const double none{tuner::mean_effect({}, one, costs).cost};
            const double own{
                tuner::predict(tuner::optimize(workload, costs, target, budget), workload, costs).cost};
            milp.push_back({gains, none - own});
        }
        ASSERT_NEAR(found.worst, test::milp_least_regret(milp, costs, target, budget),
                    1e-5 * (1 + found.worst))
            << "instance " << instance;
        ASSERT_NEAR(found.lower_bound, found.worst, 1e-8 * (1 + found.worst)) << instance;
    }
}

// A search that is cut short says how far off it may be.
TEST(Minimax, TheGapIsStated) {
    test::RandomInstances random{15};
    int open{0};
    for (int instance{0}; instance < 20; ++instance) {
        const auto fields{random.fields(30)};
        const Mix mix{random_mix(random, fields, 4)};
        const auto costs{random.costs()};
        const auto target{random.target(fields)};
        const auto cut{tuner::least_regret(mix, costs, target, {}, 1)};
        const auto whole{tuner::least_regret(mix, costs, target)};
        EXPECT_LE(cut.lower_bound, whole.worst + 1e-9);
        EXPECT_GE(cut.worst, whole.worst - 1e-9);
        open += cut.lower_bound < cut.worst ? 1 : 0;
    }
    EXPECT_GT(open, 0);
}

} // namespace
} // namespace shadowtune
