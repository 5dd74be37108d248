#include "hypervisor/shadow/counters.hpp"
#include "hypervisor/shadow/recognition.hpp"

#include <gtest/gtest.h>
#include <initializer_list>
#include <memory>
#include <vector>

namespace shadowtune::shadow {
namespace {

using nested::F;
using vmcs::Fingerprint;

[[nodiscard]] Fingerprint::Access read_of(F field) {
    return {vmcs::index_of(field), false};
}
[[nodiscard]] Fingerprint::Access write_of(F field) {
    return {vmcs::index_of(field), true};
}

void touch(AccessCounters& counters, F field, link::Access access, std::uint8_t reason = vmcs::no_round_trip,
           bool high_half = false) {
    counters.count(vmcs::index_of(field), high_half, access, reason);
}

[[nodiscard]] Fingerprint first_accesses(std::initializer_list<const AccessCounters*> vcpus) {
    std::vector<CountersCursor> cursors;
    for (const AccessCounters* counters : vcpus)
        cursors.push_back({counters});
    Fingerprint print{};
    add_first_accesses(print, cursors);
    return print;
}

TEST(Recognition, TheCountersKnowTheOrder) {
    using link::Access;
    const auto counters{std::make_unique<AccessCounters>()};
    touch(*counters, F::host_cr3, Access::write);
    touch(*counters, F::ept_pointer, Access::write, vmcs::no_round_trip, true);
    touch(*counters, F::guest_rip, Access::read);
    touch(*counters, F::ept_pointer, Access::write); // the other half: the same field
    touch(*counters, F::host_cr3, Access::write);
    touch(*counters, F::guest_rip, Access::write);
    const Fingerprint print{first_accesses({counters.get()})};
    ASSERT_EQ(print.size(), 4U);
    EXPECT_EQ(print[0], write_of(F::host_cr3));
    EXPECT_EQ(print[1], write_of(F::ept_pointer));
    EXPECT_EQ(print[2], read_of(F::guest_rip));
    EXPECT_EQ(print[3], write_of(F::guest_rip));
}

TEST(Recognition, OnlyAccessesOutsideRoundTripsCount) {
    const auto counters{std::make_unique<AccessCounters>()};
    touch(*counters, F::guest_rsp, link::Access::read, 10);
    counters->count_sampled(vmcs::index_of(F::guest_rip), link::Access::read);
    counters->end_sampled_round_trip(10);
    touch(*counters, F::host_cr3, link::Access::write);
    const Fingerprint print{first_accesses({counters.get()})};
    ASSERT_EQ(print.size(), 1U);
    EXPECT_EQ(print[0], write_of(F::host_cr3));
}

// L1's thread goes to another processor with its VMCS, and comes back.
TEST(Recognition, SeveralProcessorsAreJoinedInTheOrderOfTime) {
    const auto one{std::make_unique<AccessCounters>()}, other{std::make_unique<AccessCounters>()};
    std::atomic<std::uint32_t> clock{0};
    one->share_clock(clock);
    other->share_clock(clock);
    touch(*one, F::host_cr3, link::Access::write);
    touch(*one, F::host_cr4, link::Access::write);
    touch(*other, F::host_cr4, link::Access::write);
    touch(*other, F::guest_cr0, link::Access::write);
    touch(*one, F::guest_rip, link::Access::write);
    const Fingerprint print{first_accesses({one.get(), other.get()})};
    ASSERT_EQ(print.size(), 4U);
    EXPECT_EQ(print[1], write_of(F::host_cr4));
    EXPECT_EQ(print[2], write_of(F::guest_cr0));
    EXPECT_EQ(print[3], write_of(F::guest_rip));
    EXPECT_EQ(print, first_accesses({other.get(), one.get()}));
}

// A saved L1 that has not run an L2 yet goes on with the same order.
TEST(Recognition, RestoredCountersKeepTheOrder) {
    const auto counters{std::make_unique<AccessCounters>()}, restored{std::make_unique<AccessCounters>()};
    touch(*counters, F::host_rsp, link::Access::write);
    touch(*counters, F::guest_cs_limit, link::Access::read);
    touch(*counters, F::host_cr0, link::Access::write);
    for (const link::CounterRecord& cell : counters->cells())
        restored->restore(cell);
    const Fingerprint print{first_accesses({counters.get()})};
    EXPECT_EQ(print.size(), 3U);
    EXPECT_EQ(print, first_accesses({restored.get()}));
}

TEST(Recognition, ControlsAreThoseInForce) {
    nested::Vmcs12Values vmcs12{};
    vmcs12.set(F::pin_based_controls, 1);
    vmcs12.set(F::primary_processor_based_controls, 2);
    vmcs12.set(F::secondary_processor_based_controls, 3);
    vmcs12.set(F::tertiary_processor_based_controls, 4);
    vmcs12.set(F::primary_vm_exit_controls, 5);
    vmcs12.set(F::vm_entry_controls, 6);
    EXPECT_EQ(launch_controls(vmcs12), (vmcs::LaunchControls{1, 2, 0, 5, 6, 0})) << "not activated";
    vmcs12.set(F::primary_processor_based_controls, 1U << 31 | 1U << 17);
    EXPECT_EQ(launch_controls(vmcs12), (vmcs::LaunchControls{1, 1U << 31 | 1U << 17, 3, 5, 6, 4}));
}

TEST(Recognition, IsClaimedOnce) {
    Recognition recognition{};
    EXPECT_TRUE(recognition.claim());
    EXPECT_FALSE(recognition.claim());
    EXPECT_FALSE(recognition.is_settled());
    EXPECT_EQ(recognition.state(), link::RecognitionState::awaited) << "not settled yet";
    recognition.settle(link::RecognitionState::seen);
    EXPECT_EQ(recognition.state(), link::RecognitionState::seen);
    EXPECT_TRUE(recognition.is_settled());
    EXPECT_FALSE(recognition.claim());
}

} // namespace
} // namespace shadowtune::shadow
