// Intervals of sampled rates cover the truth as often as they say, by simulation; and the tuner concludes
// only what they allow.

#include "tuner/decision.hpp"
#include "tuner/sampling.hpp"
#include "tuner/statistics.hpp"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <random>

namespace shadowtune {
namespace {

using tuner::RateInterval;
using tuner::SampledCount;
using vmcs::Field;

using Random = std::mt19937_64;
// Accesses in the round trip of this number.
using Habit = std::function<std::uint32_t(std::uint64_t, Random&)>;

[[nodiscard]] bool happens(Random& random, double probability) {
    return std::bernoulli_distribution{probability}(random);
}

void add(SampledCount& count, std::uint32_t accesses, bool first) {
    count.fewest = first ? accesses : std::min(count.fewest, accesses);
    count.most = std::max(count.most, accesses);
    count.sum += accesses;
    count.sum_squares += std::uint64_t{accesses} * accesses;
}

// One workload, sampled: does the interval cover what really happened?
[[nodiscard]] bool covers(const Habit& habit, std::uint64_t round_trips, unsigned one_of, Random& random) {
    SampledCount sampled{};
    std::uint64_t sampled_round_trips{0};
    std::uint64_t truth{0};
    for (std::uint64_t i{0}; i < round_trips; ++i) {
        const std::uint32_t accesses{habit(i, random)};
        truth += accesses;
        if (random() % one_of != 0) continue;
        add(sampled, accesses, sampled_round_trips == 0);
        ++sampled_round_trips;
    }
    const RateInterval interval{tuner::rate_interval(sampled, sampled_round_trips, round_trips)};
    const double rate{static_cast<double>(truth) / static_cast<double>(round_trips)};
    return interval.low <= rate && rate <= interval.high;
}

[[nodiscard]] double coverage(const Habit& habit, std::uint64_t round_trips, unsigned one_of, int seeds) {
    Random random{42};
    int covered{0};
    for (int i{0}; i < seeds; ++i)
        covered += covers(habit, round_trips, one_of, random) ? 1 : 0;
    return static_cast<double>(covered) / seeds;
}

struct Case {
    const char* name;
    Habit habit;
};

const Case cases[]{
    {"one round trip in five", [](auto, Random& r) { return happens(r, 0.2) ? 1U : 0U; }},
    {"one in a hundred", [](auto, Random& r) { return happens(r, 0.01) ? 1U : 0U; }},
    {"all but one in a hundred", [](auto, Random& r) { return happens(r, 0.01) ? 0U : 1U; }},
    {"clusters of 7, one in fifty", [](auto, Random& r) { return happens(r, 0.02) ? 7U : 0U; }},
    {"always 2, one in fifty 5", [](auto, Random& r) { return happens(r, 0.02) ? 5U : 2U; }},
    {"always 4, one in fifty none", [](auto, Random& r) { return happens(r, 0.02) ? 0U : 4U; }},
    {"skewed sizes",
     [](auto, Random& r) {
         return happens(r, 0.1) ? 1U + static_cast<unsigned>(std::geometric_distribution<>{0.3}(r)) : 0U;
     }},
    {"Poisson", [](auto, Random& r) { return static_cast<unsigned>(std::poisson_distribution<>{1.3}(r)); }},
    // A sampler that takes each 64th would see these always or never.
    {"each 64th round trip", [](std::uint64_t i, auto&) { return i % 64 == 0 ? 1U : 0U; }},
    {"each 4th 3, each 128th 12 more",
     [](std::uint64_t i, auto&) { return (i % 4 == 0 ? 3U : 0U) + (i % 128 == 5 ? 12U : 0U); }},
    {"phases: 1 in the first tenth, then 1 in fifty",
     [](std::uint64_t i, Random& r) { return i < 5'000 || happens(r, 0.02) ? 1U : 0U; }},
};

TEST(Sampling, IntervalsCoverTheTruthAsOftenAsTheySay) {
    double sum{0};
    for (const auto& [name, habit] : cases) {
        const double share{coverage(habit, 50'000, 32, 150)};
        EXPECT_GT(share, 0.90) << name;
        EXPECT_LT(share, 0.99) << name;
        sum += share;
    }
    const double mean{sum / static_cast<double>(std::size(cases))};
    EXPECT_GE(mean, 0.93);
    EXPECT_LE(mean, 0.97);
}

// Where most round trips are sampled, only the others are unsure.
TEST(Sampling, TheSampledPartIsKnown) {
    const double half{coverage(cases[0].habit, 2'000, 2, 1000)};
    EXPECT_GE(half, 0.93);
    EXPECT_LE(half, 0.97);
    const RateInterval all{tuner::rate_interval({60, 100, 0, 2}, 100, 100)};
    EXPECT_DOUBLE_EQ(all.low, 0.6);
    EXPECT_DOUBLE_EQ(all.high, 0.6);
}

TEST(Sampling, ClustersMakeIntervalsWider) {
    const RateInterval single{tuner::rate_interval({700, 700, 0, 1}, 10'000, 1'000'000)};
    const RateInterval clusters{tuner::rate_interval({700, 4900, 0, 7}, 10'000, 1'000'000)};
    EXPECT_DOUBLE_EQ(single.estimate, clusters.estimate);
    EXPECT_NEAR((clusters.high - clusters.low) / (single.high - single.low), std::sqrt(7.0), 0.2);
}

TEST(Sampling, NothingSeenIsNotNothingThere) {
    const RateInterval never{tuner::rate_interval({}, 1000, 64'000)};
    EXPECT_EQ(never.low, 0);
    EXPECT_GT(never.high, 0.0015);
    EXPECT_LT(never.high, 0.004);
    const RateInterval always{tuner::rate_interval({2000, 4000, 2, 2}, 1000, 64'000)};
    EXPECT_LT(always.low, 2);
    EXPECT_GT(always.high, 2);
    EXPECT_NEAR(always.low, 2, 0.004);
    EXPECT_TRUE(std::isinf(tuner::rate_interval({}, 0, 1000).high));
}

class Decision : public ::testing::Test {
protected:
    void SetUp() override {
        for (const Field field : {Field::guest_rip, Field::guest_cr3, Field::host_rsp, Field::ept_pointer})
            m_target.offered.set(field);
        m_workload.sampled_round_trips = 1'000;
        m_workload.round_trips = 64'000;
    }
    // One in each of so many round trips.
    void set(SampledCount& count, std::uint64_t accesses) const {
        count = {accesses, accesses, accesses == m_workload.sampled_round_trips ? 1U : 0U, 1};
    }
    void reads(Field field, std::uint64_t count) { set(m_workload.reads[vmcs::index_of(field)], count); }
    void writes(Field field, std::uint64_t count) { set(m_workload.writes[vmcs::index_of(field)], count); }

    // All of it shadowed, but for what is counted exactly.
    [[nodiscard]] tuner::Evidence evidence() const {
        tuner::Evidence evidence{};
        evidence.round_trips = m_workload.round_trips;
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            evidence.reads[i] = tuner::rate_interval(m_workload.reads[i], m_workload);
            evidence.writes[i] = tuner::rate_interval(m_workload.writes[i], m_workload);
        }
        return evidence;
    }
    [[nodiscard]] tuner::Decision decide() const {
        return tuner::decide(evidence(), tuner::published_costs(), m_target);
    }
    [[nodiscard]] vmcs::ShadowSets sets(const tuner::Budget& budget,
                                        const std::optional<vmcs::ShadowSets>& in_force) const {
        return tuner::sets_of(decide(), evidence(), tuner::published_costs(), m_target, budget, in_force);
    }

    vmcs::ProfileTarget m_target;
    tuner::SampledWorkload m_workload;
};

// A read pays above 0.01 per round trip, a write that needs a read copy above 0.0154.
TEST_F(Decision, OnlyWhereTheIntervalDecides) {
    reads(Field::guest_rip, 1000);
    writes(Field::guest_rip, 700);
    reads(Field::guest_cr3, 11); // 0.011, and anything from 0.006 to 0.019
    writes(Field::host_rsp, 400);
    const auto decision{decide()};
    EXPECT_TRUE(decision.sets.write.test(Field::guest_rip));
    EXPECT_TRUE(decision.sets.read.test(Field::host_rsp));
    EXPECT_TRUE(decision.sets.write.test(Field::host_rsp));
    EXPECT_EQ(decision.sets.read.count(), 2U);
    ASSERT_EQ(decision.undecided.size(), 1U);
    const auto& open{decision.undecided[0]};
    EXPECT_EQ(open.field, vmcs::index_of(Field::guest_cr3));
    EXPECT_LT(open.reads.low, 0.01);
    EXPECT_GT(open.reads.high, 0.01);
    // An error of 0.0033 shall become 0.001: about ten times as much in all.
    ASSERT_TRUE(open.more_round_trips.has_value());
    EXPECT_GT(*open.more_round_trips, 5U * 64'000);
    EXPECT_LT(*open.more_round_trips, 60U * 64'000);
}

TEST_F(Decision, MoreRoundTripsDecide) {
    reads(Field::guest_cr3, 20);
    reads(Field::guest_rip, 14);
    const auto first{decide()};
    ASSERT_FALSE(first.undecided.empty());
    std::uint64_t more{0};
    for (const auto& open : first.undecided)
        more = std::max(more, open.more_round_trips.value());
    // The same rates over twice as many round trips as were asked for, which are but about as many as needed.
    const double factor{2 * (1 + static_cast<double>(more) / 64'000)};
    m_workload.sampled_round_trips = static_cast<std::uint64_t>(1'000 * factor);
    m_workload.round_trips = static_cast<std::uint64_t>(64'000 * factor);
    reads(Field::guest_cr3, static_cast<std::uint64_t>(20 * factor));
    reads(Field::guest_rip, static_cast<std::uint64_t>(14 * factor));
    const auto second{decide()};
    EXPECT_TRUE(second.undecided.empty());
    EXPECT_EQ(second.sets.read.count(), 2U);
}

TEST_F(Decision, AtTheThresholdNothingDecides) {
    reads(Field::guest_cr3, 10);
    const auto decision{decide()};
    ASSERT_EQ(decision.undecided.size(), 1U);
    EXPECT_FALSE(decision.undecided[0].more_round_trips.has_value());
}

TEST_F(Decision, NoSampleDecidesNothing) {
    m_workload.sampled_round_trips = 0;
    const auto decision{decide()};
    EXPECT_TRUE(decision.sets.hot_set().empty());
    EXPECT_EQ(decision.undecided.size(), 4U);
}

// Its reads are decided, its writes are not: 0.010 is about where they pay on top of the read copy.
TEST_F(Decision, WhatIsDecidedOfAFieldIsTaken) {
    reads(Field::guest_rip, 1000);
    writes(Field::guest_rip, 10);
    const auto rip{vmcs::index_of(Field::guest_rip)};
    const auto decision{decide()};
    ASSERT_EQ(decision.undecided.size(), 1U);
    const tuner::Undecided& open{decision.undecided[0]};
    EXPECT_EQ(open.possible, (std::array{false, true, true}));
    vmcs::ShadowSets in_force{};
    EXPECT_EQ(open.settled(in_force), open.estimated) << "trapped is never the cheapest";
    EXPECT_EQ(open.settled({}), open.estimated);
    in_force.read.set(rip);
    EXPECT_EQ(open.settled(in_force), tuner::Choice::read);
    in_force.write.set(rip);
    EXPECT_EQ(open.settled(in_force), tuner::Choice::read_write);
    EXPECT_TRUE(sets({}, in_force).write.test(rip));
}

TEST_F(Decision, UnknownSetsLeaveTheEstimates) {
    reads(Field::guest_rip, 1000);
    reads(Field::guest_cr3, 11); // 0.011: pays a little
    reads(Field::host_rsp, 9);   // 0.009: does not
    EXPECT_EQ(decide().undecided.size(), 2U);
    const vmcs::ShadowSets estimated{sets({}, {})};
    EXPECT_TRUE(estimated.read.test(Field::guest_cr3));
    EXPECT_FALSE(estimated.read.test(Field::host_rsp));
    vmcs::ShadowSets in_force{};
    in_force.read.set(Field::host_rsp);
    const vmcs::ShadowSets kept{sets({}, in_force)};
    EXPECT_FALSE(kept.read.test(Field::guest_cr3));
    EXPECT_TRUE(kept.read.test(Field::host_rsp));
}

TEST_F(Decision, TheBudgetHoldsForTheUndecidedToo) {
    reads(Field::guest_rip, 1000);
    reads(Field::guest_cr3, 11);
    reads(Field::host_rsp, 9);
    vmcs::ShadowSets in_force{};
    in_force.read.set(Field::host_rsp);
    in_force.read.set(Field::guest_cr3);
    EXPECT_EQ(sets({3, {}}, in_force).read.count(), 3U);
    const vmcs::ShadowSets two{sets({2, {}}, in_force)};
    EXPECT_EQ(two.read.count(), 2U);
    EXPECT_TRUE(two.read.test(Field::guest_cr3)) << "gains more";
    EXPECT_EQ(sets({1, {}}, in_force).read.count(), 1U);
    EXPECT_TRUE(sets({1, {}}, in_force).read.test(Field::guest_rip));
    for (const double most : {310.0, 320.0, 325.0, 330.0}) {
        const vmcs::ShadowSets packed{sets({{}, most}, in_force)};
        EXPECT_LE(tuner::sync_cost(packed, tuner::published_costs()), most);
        EXPECT_EQ(packed.read.count(), static_cast<std::size_t>((most - 300) / 10));
    }
    reads(Field::guest_rip, 12); // now nothing earns the fixed term
    EXPECT_TRUE(sets({}, in_force).hot_set().empty());
}

// Against sums of binomial probabilities.
TEST(Statistics, IncompleteBeta) {
    for (const double p : {0.01, 0.3, 0.5, 0.97}) {
        for (const int n : {1, 7, 40}) {
            double at_least{0};
            for (int k{n}; k >= 1; --k) {
                at_least += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) +
                                     k * std::log(p) + (n - k) * std::log1p(-p));
                EXPECT_NEAR(tuner::incomplete_beta(k, n - k + 1, p), at_least, 1e-12);
            }
        }
    }
    EXPECT_NEAR(tuner::beta_quantile(3, 5, tuner::incomplete_beta(3, 5, 0.37)), 0.37, 1e-12);
    // Large parameters: the normal distribution.
    EXPECT_NEAR(tuner::incomplete_beta(5e6, 5e6, 0.5 + 1.959964 * 0.5 / std::sqrt(1e7)), 0.975, 1e-5);
}

// Each reason's round trips either all had the same, or nothing is known but the sums.
TEST(Sampling, WorkloadOfARecording) {
    const auto rip{vmcs::index_of(Field::guest_rip)};
    const auto rsp{vmcs::index_of(Field::guest_rsp)};
    db::Totals totals{};
    totals.counters.round_trips = 6400;
    totals.sampled_round_trips = 100;
    totals.sampled_round_trips_by_reason[10] = 60;
    totals.sampled_round_trips_by_reason[30] = 40;
    totals.sampled = {{rip, db::Access::read, 10, 60, 60},
                      {rip, db::Access::read, 30, 120, 360},
                      {rip, db::Access::write, 30, 41, 43},
                      {rsp, db::Access::read, 10, 60, 60}};
    const tuner::SampledWorkload workload{tuner::sampled_workload_of(totals)};
    EXPECT_EQ(workload.round_trips, 6400U);
    EXPECT_EQ(workload.sampled_round_trips, 100U);
    const SampledCount& everywhere{workload.reads[rip]};
    EXPECT_EQ(everywhere.sum, 180U);
    EXPECT_EQ(everywhere.sum_squares, 420U);
    EXPECT_EQ(everywhere.fewest, 1U);
    EXPECT_EQ(everywhere.most, 3U);
    const SampledCount& uneven{workload.writes[rip]};
    EXPECT_EQ(uneven.fewest, 0U);
    EXPECT_EQ(uneven.most, 7U) << "the root of the squares at most";
    EXPECT_EQ(workload.reads[rsp].fewest, 0U) << "none after reason 30";
    EXPECT_EQ(workload.reads[rsp].most, 1U);
}

TEST(Sampling, WhatTrapsIsCountedInEveryRoundTrip) {
    const auto rflags{vmcs::index_of(Field::guest_rflags)};
    db::Totals totals{};
    totals.counters.round_trips = 6400;
    totals.sampled_round_trips = totals.sampled_round_trips_by_reason[10] = 64;
    totals.sampled = {{rflags, db::Access::read, 10, 32, 32}};
    totals.accesses = {{rflags, db::Access::read, 10, 3171, 0}};
    const tuner::Evidence evidence{tuner::evidence_of(totals, {})};
    EXPECT_EQ(evidence.reads[rflags].low, 3203.0 / 6400);
    EXPECT_EQ(evidence.reads[rflags].high, 3203.0 / 6400);
    EXPECT_EQ(tuner::estimated_workload(evidence).fields[rflags].reads, 3203U);
    vmcs::ProfileTarget target{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        target.offered.set(i);
    EXPECT_TRUE(tuner::decide(evidence, tuner::published_costs(), target).undecided.empty());
}

// Of 6,400 round trips 64 were sampled; RIP is in R, RFLAGS is not and its accesses all trap.
TEST(Sampling, ChangesAreSeenWhereReadsAre) {
    const auto rip{vmcs::index_of(Field::guest_rip)};
    const auto rflags{vmcs::index_of(Field::guest_rflags)};
    db::Totals totals{};
    totals.counters.round_trips = 6400;
    totals.sampled_round_trips = 64;
    totals.sampled_round_trips_by_reason[10] = 64;
    totals.sampled = {{rip, db::Access::read, 10, 64, 64}, {rflags, db::Access::read, 10, 32, 32}};
    totals.accesses = {{rflags, db::Access::read, 10, 3168, 0},
                       {rip, db::Access::read, vmcs::no_round_trip, 500, 0}};
    totals.changes[rip] = {48, 0};
    totals.changes[rflags] = {1600, 340};
    totals.switches = 12'800;
    vmcs::ShadowSets shadowed{};
    shadowed.read.set(rip);
    const auto estimated{[&] { return tuner::estimated_workload(tuner::evidence_of(totals, shadowed)); }};
    const tuner::Workload workload{estimated()};
    EXPECT_EQ(workload.fields[rip].changes, 4800U) << "three in four of the sampled ones";
    EXPECT_EQ(workload.fields[rflags].changes, 1600U) << "all of them were seen";
    EXPECT_EQ(workload.fields[rflags].others, 340U);
    EXPECT_EQ(workload.switches, 12'800U);
    totals.changes[rip] = {};
    EXPECT_EQ(estimated().fields[rip].changes, 6400U);
}

} // namespace
} // namespace shadowtune
