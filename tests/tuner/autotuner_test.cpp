// The closed loop against simulated L1s, seen as the VMM sees them: what is shadowed shows in sampled round
// trips alone.

#include "tests/tuner/simulated_l1.hpp"
#include "tuner/autotuner.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using test::SimulatedL1;
using tuner::Choice;
using tuner::Verdict;
using vmcs::Field;
using vmcs::index_of;

[[nodiscard]] tuner::AutotunerOptions options_for(const vmcs::FieldSet& offered) {
    tuner::AutotunerOptions options{};
    options.target.offered = offered;
    return options;
}

[[nodiscard]] vmcs::FieldSet offered() {
    vmcs::FieldSet fields{};
    for (const Field field : {Field::exit_reason, Field::guest_rip, Field::guest_cs_access_rights,
                              Field::vm_exit_interruption_error_code, Field::host_rsp, Field::guest_cr3})
        fields.set(index_of(field));
    return fields;
}

// A steady guest, and one that has its devices emulated.
void be_steady(SimulatedL1& l1) {
    l1.read(Field::exit_reason, 1);
    l1.read(Field::guest_rip, 0.7);
    l1.write(Field::guest_rip, 0.7);
    l1.write(Field::host_rsp, 0.4);
    l1.read(Field::guest_cs_access_rights, 0.002);
    l1.read(Field::vm_exit_interruption_error_code, 0);
}
void emulate_devices(SimulatedL1& l1) {
    be_steady(l1);
    l1.write(Field::host_rsp, 0);
    l1.read(Field::guest_cs_access_rights, 2);
    l1.read(Field::vm_exit_interruption_error_code, 0.3);
}

// Runs the loop for so many round trips, and counts what it did.
struct Loop {
    explicit Loop(tuner::AutotunerOptions options, std::uint64_t seed = 1)
        : l1{seed}, autotuner{std::move(options), {}, {}} {}

    void run(std::uint64_t round_trips, std::uint64_t between_snapshots = 500) {
        for (std::uint64_t done{0}; done < round_trips; done += between_snapshots) {
            l1.run(between_snapshots);
            last = autotuner.observe(l1.snapshot());
            if (last.kind != Verdict::Kind::retune) continue;
            ++retunes;
            changes.insert(changes.end(), last.changes.begin(), last.changes.end());
            retuned_at = l1.round_trips();
            if (!dry_run) l1.load(last.sets, 64);
            autotuner.change_to(last, !dry_run);
            // Counting begins under the new bitmaps.
            if (!dry_run) (void)autotuner.observe(l1.snapshot());
        }
    }
    [[nodiscard]] std::size_t times_taken_in(Field field) const {
        return static_cast<std::size_t>(std::ranges::count_if(changes, [&](const tuner::FieldChange& change) {
            return change.field == index_of(field) && change.before == Choice::none;
        }));
    }

    SimulatedL1 l1;
    tuner::Autotuner autotuner;
    Verdict last;
    std::vector<tuner::FieldChange> changes;
    int retunes{0};
    std::uint64_t retuned_at{0};
    bool dry_run{false};
};

[[nodiscard]] bool shadows(const vmcs::ShadowSets& sets, Field field) {
    return sets.read.test(index_of(field));
}

TEST(Autotuner, GathersBeforeItConcludes) {
    Loop loop{options_for(offered())};
    be_steady(loop.l1);
    loop.run(500);
    EXPECT_EQ(loop.last.kind, Verdict::Kind::gather);
    EXPECT_EQ(loop.retunes, 0);
    loop.run(1'000);
    EXPECT_EQ(loop.retunes, 1);
}

TEST(Autotuner, FindsTheOptimumFromEverythingTrapped) {
    Loop loop{options_for(offered())};
    be_steady(loop.l1);
    loop.run(3'000);
    const vmcs::ShadowSets& sets{loop.autotuner.sets()};
    EXPECT_TRUE(shadows(sets, Field::exit_reason));
    EXPECT_TRUE(sets.write.test(index_of(Field::guest_rip)));
    EXPECT_TRUE(sets.write.test(index_of(Field::host_rsp)));
    EXPECT_FALSE(shadows(sets, Field::guest_cs_access_rights));
    EXPECT_FALSE(shadows(sets, Field::guest_cr3));
    EXPECT_EQ(loop.l1.in_force(), sets);
}

TEST(Autotuner, LeavesAStationaryL1Alone) {
    for (std::uint64_t seed{1}; seed <= 5; ++seed) {
        Loop loop{options_for(offered()), seed};
        be_steady(loop.l1);
        loop.run(500'000, 4'000);
        EXPECT_EQ(loop.retunes, 1) << "seed " << seed;
        EXPECT_EQ(loop.last.kind, Verdict::Kind::keep);
    }
}

TEST(Autotuner, FollowsAChangeWithinFiveThousandRoundTrips) {
    for (std::uint64_t seed{1}; seed <= 5; ++seed) {
        Loop loop{options_for(offered()), seed};
        be_steady(loop.l1);
        loop.run(100'000, 4'000);
        emulate_devices(loop.l1);
        loop.run(5'000);
        EXPECT_EQ(loop.retunes, 2) << "seed " << seed;
        EXPECT_GT(loop.retuned_at, 100'000U);
        EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::guest_cs_access_rights));
        EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::vm_exit_interruption_error_code));
    }
}

TEST(Autotuner, DropsWhatWentColdOnceTheSampleDecides) {
    Loop loop{options_for(offered())};
    emulate_devices(loop.l1);
    loop.run(20'000);
    be_steady(loop.l1);
    loop.run(150'000, 2'000);
    EXPECT_FALSE(shadows(loop.autotuner.sets(), Field::guest_cs_access_rights));
    EXPECT_FALSE(shadows(loop.autotuner.sets(), Field::vm_exit_interruption_error_code));
    EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::host_rsp));
}

// In bursts, so that it is hot and cold in turn: at first it is dropped too early, then it stays.
TEST(Autotuner, LearnsThatAFieldComesBack) {
    Loop loop{options_for(offered())};
    be_steady(loop.l1);
    for (int i{0}; i < 25; ++i) {
        loop.l1.read(Field::guest_cr3, 0);
        loop.run(38'000, 2'000);
        loop.l1.read(Field::guest_cr3, 1);
        loop.run(2'000);
    }
    EXPECT_GE(loop.times_taken_in(Field::guest_cr3), 1U);
    EXPECT_LE(loop.times_taken_in(Field::guest_cr3), 4U);
}

// At a rate where both choices cost the same, neither is worth a reload.
TEST(Autotuner, DoesNotFlapAtTheBreakEvenPoint) {
    for (const double rate : {0.009, 0.01, 0.011}) {
        Loop loop{options_for(offered())};
        be_steady(loop.l1);
        loop.l1.read(Field::guest_cr3, rate);
        loop.run(500'000, 4'000);
        EXPECT_LE(loop.retunes, 2) << rate;
    }
}

TEST(Autotuner, ADryRunOnlyJudges) {
    Loop loop{options_for(offered())};
    loop.dry_run = true;
    be_steady(loop.l1);
    loop.run(50'000);
    EXPECT_EQ(loop.retunes, 1);
    EXPECT_TRUE(loop.l1.in_force().read.empty());
    emulate_devices(loop.l1);
    loop.run(5'000);
    EXPECT_EQ(loop.retunes, 2);
    EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::guest_cs_access_rights));
}

TEST(Autotuner, KeepsTheBudget) {
    auto options{options_for(offered())};
    options.budget.fields = 2;
    Loop loop{options};
    be_steady(loop.l1);
    loop.run(50'000);
    EXPECT_EQ(loop.autotuner.sets().hot_set().count(), 2U);
    EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::guest_rip));
    EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::exit_reason));
    EXPECT_EQ(loop.retunes, 1);
}

TEST(Autotuner, ShadowsNothingThatDoesNotPayForTheShadowItself) {
    Loop loop{options_for(offered())};
    loop.l1.read(Field::exit_reason, 0.2); // 190 a round trip, where the shadow takes 300
    loop.run(100'000);
    EXPECT_EQ(loop.retunes, 0);
    EXPECT_EQ(loop.last.kind, Verdict::Kind::keep);
}

// Where a changed value's copy costs more than a trapped read, it depends on the changes: those that are seen
// at each access, and those in sampled round trips.
TEST(Autotuner, CountsCopiesOfChangedValues) {
    auto options{options_for(offered())};
    for (tuner::FieldCosts& costs : options.costs.fields)
        costs.sync_read_changed = 1500;
    for (const bool changes : {false, true}) {
        Loop loop{options};
        be_steady(loop.l1);
        loop.l1.read(Field::guest_cr3, 0.5);
        if (changes) loop.l1.change(Field::guest_cr3);
        loop.run(100'000, 2'000);
        EXPECT_EQ(shadows(loop.autotuner.sets(), Field::guest_cr3), !changes);
        EXPECT_TRUE(shadows(loop.autotuner.sets(), Field::exit_reason));
        if (changes) continue;
        loop.l1.change(Field::guest_cr3);
        loop.run(200'000, 2'000);
        EXPECT_FALSE(shadows(loop.autotuner.sets(), Field::guest_cr3));
    }
}

TEST(Autotuner, SaysWhichRatesSpeakForAChange) {
    Loop loop{options_for(offered())};
    be_steady(loop.l1);
    loop.run(10'000);
    loop.changes.clear();
    loop.l1.read(Field::guest_cr3, 0.5);
    loop.run(5'000);
    ASSERT_EQ(loop.changes.size(), 1U);
    EXPECT_EQ(loop.changes[0].field, index_of(Field::guest_cr3));
    EXPECT_EQ(loop.changes[0].after, Choice::read);
    EXPECT_GT(loop.changes[0].reads.estimate, 0.1);
}

} // namespace
} // namespace shadowtune
