// Boot told from steady work by the rates alone, on simulated recordings.

#include "tuner/phases.hpp"

#include <gtest/gtest.h>
#include <random>

namespace shadowtune {
namespace {

using vmcs::Field;

// Mean accesses per round trip of a few fields.
struct Habit {
    Field field;
    double reads;
    double writes;
};
using Habits = std::vector<Habit>;

const Habits steady{{Field::guest_rip, 1, 0.9},
                    {Field::exit_reason, 1, 0},
                    {Field::host_rsp, 0, 0.4},
                    {Field::exit_qualification, 0.4, 0}};
const Habits boot{{Field::guest_rip, 1, 0.9},
                  {Field::exit_reason, 1, 0},
                  {Field::guest_cr0, 0.8, 0.5},
                  {Field::guest_cs_access_rights, 1.5, 0.2}};

class Recording {
public:
    explicit Recording(std::uint64_t seed) : m_random{seed} {}

    // Bursts: each step's rates are off by a factor of their own, as in real workloads.
    void add(const Habits& habits, std::size_t count, double round_trips, double burst = 0) {
        for (std::size_t i{0}; i < count; ++i) {
            db::Step step{};
            step.range = {m_snapshot, m_snapshot + 1};
            ++m_snapshot;
            step.round_trips = static_cast<std::uint64_t>(round_trips);
            for (const Habit& habit : habits) {
                std::normal_distribution<double> factor{1, burst};
                const double scale{round_trips * std::max(0.0, factor(m_random))};
                step.reads[vmcs::index_of(habit.field)] = draw(habit.reads * scale);
                step.writes[vmcs::index_of(habit.field)] = draw(habit.writes * scale);
            }
            steps.push_back(step);
        }
    }

    std::vector<db::Step> steps;

private:
    [[nodiscard]] std::uint64_t draw(double mean) {
        return mean > 0 ? std::poisson_distribution<std::uint64_t>{mean}(m_random) : 0;
    }

    std::mt19937_64 m_random;
    std::uint32_t m_snapshot{1};
};

TEST(Phases, BootIsCutOff) {
    for (std::uint64_t seed{0}; seed < 50; ++seed) {
        Recording recording{seed};
        recording.add(boot, 6, 500);
        recording.add(steady, 20, 1000);
        const auto phases{tuner::find_phases(recording.steps)};
        ASSERT_EQ(phases.ranges.size(), 2U) << seed;
        EXPECT_TRUE(phases.has_boot());
        EXPECT_EQ(phases.boot_range().from, 1U);
        EXPECT_EQ(phases.boot_range().to, 7U) << seed;
        EXPECT_EQ(phases.steady_range().from, 7U);
        EXPECT_EQ(phases.steady_range().to, 27U);
    }
}

// No change is found where there is none, neither in Poisson's counts nor in bursts of a third.
TEST(Phases, SteadyWorkIsOnePhase) {
    for (std::uint64_t seed{0}; seed < 200; ++seed) {
        Recording recording{seed};
        recording.add(steady, 8 + seed % 60, 20 + static_cast<double>(seed * 13 % 3000),
                      seed % 2 == 0 ? 0 : 0.3);
        const auto phases{tuner::find_phases(recording.steps)};
        ASSERT_EQ(phases.ranges.size(), 1U) << seed;
        EXPECT_FALSE(phases.has_boot());
        EXPECT_EQ(phases.steady_range().to, recording.steps.back().range.to);
    }
}

// A change that is certain, but too small to matter.
TEST(Phases, ASmallChangeIsNone) {
    Habits other{steady};
    other[0].reads += 0.1;
    Recording recording{1};
    recording.add(steady, 20, 1e6);
    recording.add(other, 20, 1e6);
    EXPECT_EQ(tuner::find_phases(recording.steps).ranges.size(), 1U);
    other[0].reads += 1;
    Recording larger{1};
    larger.add(steady, 20, 1e6);
    larger.add(other, 20, 1e6);
    EXPECT_EQ(tuner::find_phases(larger.steps).ranges.size(), 2U);
}

TEST(Phases, AShortEndIsNotTheSteadyPhase) {
    Recording recording{2};
    recording.add(boot, 5, 400);
    recording.add(steady, 20, 1000);
    recording.add(boot, 3, 100); // the guest shuts down
    const auto phases{tuner::find_phases(recording.steps)};
    ASSERT_EQ(phases.ranges.size(), 3U);
    EXPECT_EQ(phases.steady, 1U);
    EXPECT_EQ(phases.boot_range().to, 6U);
    EXPECT_EQ(phases.steady_range().to, 26U);
}

TEST(Phases, PausesSayNothing) {
    Recording recording{3};
    recording.add(steady, 3, 0);
    recording.add(boot, 6, 500);
    recording.add(steady, 4, 0);
    recording.add(steady, 12, 1000);
    recording.add(steady, 5, 0);
    const auto phases{tuner::find_phases(recording.steps)};
    ASSERT_EQ(phases.ranges.size(), 2U);
    EXPECT_EQ(phases.boot_range().from, 1U);
    EXPECT_EQ(phases.boot_range().to, 10U);
    EXPECT_EQ(phases.steady_range().to, 31U);
}

TEST(Phases, TooFewStepsSayNothing) {
    EXPECT_FALSE(tuner::find_phases({}).enough_data());
    Recording recording{4};
    recording.add(steady, tuner::fewest_steps - 1, 1000);
    recording.add(steady, 20, 0);
    EXPECT_FALSE(tuner::find_phases(recording.steps).enough_data());
    recording.add(steady, 1, 1000);
    EXPECT_TRUE(tuner::find_phases(recording.steps).enough_data());
    // L1 works, but no access was counted.
    Recording silent{5};
    silent.add({}, 30, 1000);
    EXPECT_FALSE(tuner::find_phases(silent.steps).enough_data());
}

} // namespace
} // namespace shadowtune
