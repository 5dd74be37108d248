#include "hypervisor/shadow/generations.hpp"
#include "tests/vmcs/sets.hpp"
#include "tests/vmm/pages.hpp"

#include <atomic>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace shadowtune::shadow {
namespace {

using link::CommandStatus;
using link::Mode;
using link::ProfileImage;

[[nodiscard]] ProfileImage image_of(const vmcs::ShadowSets& sets, const std::string& name) {
    ProfileImage image{};
    image.magic = link::profile_magic;
    image.catalogue_version = vmcs::catalogue_version;
    sets.read.store(image.read);
    sets.write.store(image.write);
    std::memcpy(image.name, name.data(), std::min(name.size(), sizeof(image.name)));
    return image;
}

class GenerationsTest : public ::testing::Test {
protected:
    GenerationsTest() {
        target.offered = vmcs::testing::all_fields();
        target.offered.clear(vmcs::Field::guest_ssp);
        generations.start(pages.begin(), target);
    }

    [[nodiscard]] vmcs::ShadowSets random_sets() {
        const vmcs::ShadowSets most{vmcs::everything_allowed(target)};
        const vmcs::FieldSet read{most.read & vmcs::testing::random_fields(random, 3)};
        return {read, read & most.write & vmcs::testing::random_fields(random, 2)};
    }

    // Loads a profile that must be good; the generation that it made.
    Generation& load(const vmcs::ShadowSets& sets, const std::string& name) {
        const auto number{generations.load(image_of(sets, name))};
        EXPECT_TRUE(number.ok());
        EXPECT_EQ(number.value(), generations.newest().number);
        return generations.newest();
    }

    static void expect_pages(const Generation& generation, const vmcs::ShadowSets& sets) {
        vmcs::BitmapPage read{}, write{};
        read.assign(sets.read);
        write.assign(sets.write);
        EXPECT_EQ(std::memcmp(reinterpret_cast<const void*>(generation.read_bitmap), &read, sizeof(read)), 0);
        EXPECT_EQ(std::memcmp(reinterpret_cast<const void*>(generation.write_bitmap), &write, sizeof(write)),
                  0);
    }

    void expect_refused(const ProfileImage& image, CommandStatus status) {
        const Generation before{generations.newest()};
        const auto refused{generations.load(image)};
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().status, status);
        EXPECT_EQ(generations.newest().number, before.number);
        EXPECT_EQ(generations.newest().mode, before.mode);
        EXPECT_EQ(generations.newest().read_bitmap, before.read_bitmap);
        expect_pages(generations.newest(), before.sets);
    }

    void expect_rule(const vmcs::ShadowSets& sets, vmcs::ProfileRule rule, vmcs::Field field) {
        expect_refused(image_of(sets, "bad"), CommandStatus::profile_rejected);
        const auto refused{generations.load(image_of(sets, "bad"))};
        EXPECT_EQ(refused.error().profile.rule, rule);
        EXPECT_EQ(refused.error().profile.field, vmcs::index_of(field));
    }

    shadowtune::testing::Pages pages{Generations::pages_needed};
    std::mt19937_64 random{51};
    vmcs::ProfileTarget target{};
    Generations generations{};
};

TEST_F(GenerationsTest, StartTrapsEverything) {
    const Generation& first{generations.newest()};
    EXPECT_EQ(first.number, 1U);
    EXPECT_EQ(first.mode, Mode::trap);
    EXPECT_NE(first.read_bitmap, first.write_bitmap);
    expect_pages(first, {});
}

TEST_F(GenerationsTest, AProfileBecomesTheNewestGeneration) {
    for (std::uint32_t number{2}; number < 20; ++number) {
        const vmcs::ShadowSets sets{random_sets()};
        const Generation& loaded{load(sets, "kvm")};
        EXPECT_EQ(loaded.number, number);
        EXPECT_EQ(loaded.mode, Mode::tuned);
        EXPECT_EQ(loaded.sets, sets);
        EXPECT_STREQ(loaded.name, "kvm");
        expect_pages(loaded, sets);
    }
}

TEST_F(GenerationsTest, ALongNameIsCutAndEnds) {
    EXPECT_EQ(std::string{load({}, std::string(40, 'x')).name}, std::string(31, 'x'));
}

TEST_F(GenerationsTest, ImagesForSomethingElseAreRefused) {
    static_cast<void>(load(random_sets(), "good"));
    ProfileImage image{image_of(random_sets(), "bad")};
    image.magic ^= 1;
    expect_refused(image, CommandStatus::malformed);
    image = image_of(random_sets(), "bad");
    image.catalogue_version += 1;
    expect_refused(image, CommandStatus::other_catalogue);
    // Bits of fields that no catalogue of ours has.
    for (unsigned bit{vmcs::field_count % 64}; bit < 64; ++bit) {
        image = image_of({}, "bad");
        image.read[vmcs::FieldSet::words - 1] = std::uint64_t{1} << bit;
        expect_refused(image, CommandStatus::malformed);
        image = image_of({}, "bad");
        image.write[vmcs::FieldSet::words - 1] = std::uint64_t{1} << bit;
        expect_refused(image, CommandStatus::malformed);
    }
}

TEST_F(GenerationsTest, EachRuleIsCheckedAgain) {
    using vmcs::Field;
    using vmcs::ProfileRule;
    static_cast<void>(load(random_sets(), "good"));
    const auto only{[](Field field) {
        vmcs::FieldSet set{};
        set.set(field);
        return set;
    }};
    expect_rule({only(Field::guest_ssp), {}}, ProfileRule::field_not_offered, Field::guest_ssp);
    expect_rule({only(Field::vm_instruction_error), {}}, ProfileRule::never_shadowed,
                Field::vm_instruction_error);
    expect_rule({only(Field::ept_pointer), only(Field::ept_pointer)}, ProfileRule::write_not_allowed,
                Field::ept_pointer);
    expect_rule({{}, only(Field::guest_rip)}, ProfileRule::write_without_read, Field::guest_rip);
    expect_rule({only(Field::exit_reason), only(Field::exit_reason)}, ProfileRule::read_only_data_written,
                Field::exit_reason);
}

TEST_F(GenerationsTest, ARefusedProfileDoesNotReplaceTheLoadedOne) {
    const vmcs::ShadowSets sets{random_sets()};
    static_cast<void>(load(sets, "good"));
    ProfileImage image{image_of({}, "bad")};
    image.catalogue_version += 1;
    expect_refused(image, CommandStatus::other_catalogue);
    ASSERT_TRUE(generations.set_mode(Mode::trap).ok());
    ASSERT_TRUE(generations.set_mode(Mode::tuned).ok());
    EXPECT_STREQ(generations.newest().name, "good");
    EXPECT_EQ(generations.newest().sets, sets);
}

TEST_F(GenerationsTest, ModesChangeOnceAndComeBackWithTheProfile) {
    const auto none{generations.set_mode(Mode::tuned)};
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().status, CommandStatus::no_profile);
    EXPECT_EQ(generations.set_mode(Mode::trap).value(), 1U); // already there

    const vmcs::ShadowSets sets{random_sets()};
    static_cast<void>(load(sets, "xen"));
    EXPECT_EQ(generations.set_mode(Mode::tuned).value(), 2U);
    EXPECT_EQ(generations.set_mode(Mode::trap).value(), 3U);
    EXPECT_EQ(generations.set_mode(Mode::trap).value(), 3U);
    EXPECT_EQ(generations.newest().mode, Mode::trap);
    EXPECT_STREQ(generations.newest().name, "");
    EXPECT_EQ(generations.newest().sets, vmcs::ShadowSets{});
    expect_pages(generations.newest(), {});
    EXPECT_EQ(generations.set_mode(Mode::tuned).value(), 4U);
    EXPECT_STREQ(generations.newest().name, "xen");
    expect_pages(generations.newest(), sets);

    const auto unknown{generations.set_mode(static_cast<Mode>(3))};
    ASSERT_FALSE(unknown.ok());
    EXPECT_EQ(unknown.error().status, CommandStatus::malformed);
}

TEST_F(GenerationsTest, ModeSampleHasTheProfileAndAnInterval) {
    EXPECT_EQ(generations.set_mode(Mode::sample, 64).error().status, CommandStatus::no_profile);
    const vmcs::ShadowSets sets{random_sets()};
    static_cast<void>(load(sets, "kvm"));
    EXPECT_EQ(generations.set_mode(Mode::sample).error().status, CommandStatus::malformed);
    EXPECT_EQ(generations.set_mode(Mode::tuned, 64).error().status, CommandStatus::malformed);
    EXPECT_EQ(generations.set_mode(Mode::sample, 64).value(), 3U);
    EXPECT_EQ(generations.set_mode(Mode::sample, 64).value(), 3U); // already there
    EXPECT_EQ(generations.newest().sample_interval, 64);
    EXPECT_STREQ(generations.newest().name, "kvm");
    expect_pages(generations.newest(), sets);
    EXPECT_EQ(generations.set_mode(Mode::sample, 32).value(), 4U);

    // Another profile is sampled as well; mode tuned ends that.
    const vmcs::ShadowSets other{random_sets()};
    static_cast<void>(load(other, "xen"));
    EXPECT_EQ(generations.newest().mode, Mode::sample);
    EXPECT_EQ(generations.newest().sample_interval, 32);
    expect_pages(generations.newest(), other);
    EXPECT_EQ(generations.set_mode(Mode::tuned).value(), 6U);
    EXPECT_EQ(generations.newest().sample_interval, 0);
}

TEST_F(GenerationsTest, WithAllSlotsInUseItIsBusyUntilOneIsFree) {
    std::vector<Generation*> used{&generations.take_newest()};
    std::vector<vmcs::ShadowSets> sets{{}};
    while (used.size() < Generations::slots) {
        sets.push_back(random_sets());
        static_cast<void>(load(sets.back(), "profile " + std::to_string(used.size())));
        used.push_back(&generations.take_newest());
    }
    expect_refused(image_of(random_sets(), "late"), CommandStatus::busy);
    const auto mode{generations.set_mode(Mode::trap)};
    ASSERT_FALSE(mode.ok());
    EXPECT_EQ(mode.error().status, CommandStatus::busy);
    for (std::size_t i{0}; i < used.size(); ++i) {
        EXPECT_EQ(used[i]->number, i + 1);
        expect_pages(*used[i], sets[i]);
    }

    generations.give_back(*used[1]);
    // The profile that was refused was not kept in secret either.
    ASSERT_TRUE(generations.set_mode(Mode::trap).ok());
    EXPECT_EQ(&generations.newest(), used[1]);
    generations.give_back(*used[2]);
    ASSERT_TRUE(generations.set_mode(Mode::tuned).ok());
    EXPECT_EQ(&generations.newest(), used[2]);
    EXPECT_STREQ(used[2]->name, "profile 3");
    expect_pages(*used[2], sets[3]);
}

// One vCPU that moves now and then: what it runs with never changes under it, and the numbers only rise.
TEST_F(GenerationsTest, AGenerationInUseNeverChanges) {
    Generation* running{&generations.take_newest()};
    Generation as_taken{*running};
    std::uint32_t newest{1};
    for (unsigned i{0}; i < 500; ++i) {
        const std::uint64_t dice{random() % 4};
        if (dice < 2) {
            static_cast<void>(load(random_sets(), "random"));
        } else if (dice == 2) {
            ASSERT_TRUE(generations.set_mode(random() % 2 == 0 ? Mode::trap : Mode::tuned).ok() || i < 10);
        } else {
            generations.give_back(*running);
            running = &generations.take_newest();
            as_taken = *running;
        }
        ASSERT_GE(generations.newest().number, newest);
        newest = generations.newest().number;
        ASSERT_EQ(running->number, as_taken.number);
        ASSERT_EQ(running->sets, as_taken.sets);
        expect_pages(*running, as_taken.sets);
        expect_pages(generations.newest(), generations.newest().sets);
    }
    EXPECT_GT(newest, 200U);
}

// Two vCPUs use a slot: it is free when both have left it.
TEST_F(GenerationsTest, ASlotIsFreeWhenTheLastUserLeaves) {
    Generation& first{generations.take_newest()};
    EXPECT_EQ(&generations.take_newest(), &first);
    const std::uint32_t number{first.number};
    const auto load_often{[&] {
        for (unsigned i{0}; i < 10; ++i)
            static_cast<void>(load(random_sets(), "other"));
    }};
    load_often();
    EXPECT_EQ(first.number, number);
    generations.give_back(first);
    load_often();
    EXPECT_EQ(first.number, number);
    generations.give_back(first);
    load_often();
    EXPECT_NE(first.number, number);
}

// Processors that move while another one publishes as fast as it can: what a vCPU has taken stays as it is
// until it gives it back, and its numbers only rise. No lock anywhere.
TEST_F(GenerationsTest, ProcessorsMoveWhileAnotherPublishes) {
    std::atomic<bool> publishing{true};
    std::atomic<unsigned> moves{0};
    std::vector<std::thread> vcpus;
    for (unsigned n{0}; n < 3; ++n) {
        vcpus.emplace_back([this, &publishing, &moves] {
            std::uint32_t last{0};
            while (publishing) {
                Generation& mine{generations.take_newest()};
                ASSERT_GE(mine.number, last);
                last = mine.number;
                const vmcs::ShadowSets sets{mine.sets};
                for (unsigned look{0}; look < 3; ++look) {
                    expect_pages(mine, sets);
                    ASSERT_EQ(mine.number, last);
                }
                generations.give_back(mine);
                ++moves;
            }
        });
    }
    std::vector<ProfileImage> images;
    for (unsigned i{0}; i < 8; ++i)
        images.push_back(image_of(random_sets(), "storm"));
    unsigned published{0};
    for (unsigned i{0}; published < 20'000 || moves < 20'000; ++i)
        published += generations.load(images[i % images.size()]).ok() ? 1 : 0;
    publishing = false;
    for (auto& vcpu : vcpus)
        vcpu.join();
    EXPECT_EQ(generations.newest().number, published + 1);
}

} // namespace
} // namespace shadowtune::shadow
