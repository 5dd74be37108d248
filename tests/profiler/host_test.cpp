// Counters of the host, and the guest whose exits they count.

#include "profiler/host_calibrator.hpp"
#include "profiler/host_counter.hpp"
#include "profiler/kvm_guest.hpp"

#include <gtest/gtest.h>
#include <linux/perf_event.h>

namespace shadowtune {
namespace {

TEST(HostCounter, EncodesByLibpfm) {
    const auto cycles{profiler::encode_event("cycles")};
    ASSERT_TRUE(cycles.ok()) << cycles.error();
    EXPECT_EQ(cycles.value().type, PERF_TYPE_HARDWARE);
    EXPECT_EQ(cycles.value().config, PERF_COUNT_HW_CPU_CYCLES);
    EXPECT_EQ(profiler::encode_event("instructions").value().config, PERF_COUNT_HW_INSTRUCTIONS);
    const auto clock{profiler::encode_event("perf::TASK-CLOCK")};
    EXPECT_EQ(clock.value().type, PERF_TYPE_SOFTWARE);
    EXPECT_EQ(clock.value().config, PERF_COUNT_SW_TASK_CLOCK);
    const auto none{profiler::encode_event("cups-of-tea")};
    ASSERT_FALSE(none.ok());
    EXPECT_NE(none.error().find("'cups-of-tea'"), std::string::npos) << none.error();
}

TEST(HostCounter, CountsOrSaysWhyNot) {
    const auto opened{profiler::open_host_counters()};
    if (!opened) GTEST_SKIP() << opened.error();
    ASSERT_FALSE(opened.value().counters.empty());
    const bool clock{opened.value().counters.front().unit() == "nanoseconds"};
    EXPECT_TRUE(!clock || !opened.value().trouble.empty());
    for (const auto& counter : opened.value().counters) {
        const std::uint64_t before{counter.read()};
        for (unsigned i{0}; i < 1'000'000; ++i)
            asm volatile("");
        EXPECT_GT(counter.read(), before + 100'000) << counter.unit();
    }
}

TEST(KvmGuest, SaysWhatIsMissing) {
    const auto guest{profiler::KvmGuest::create("/nowhere/kvm")};
    ASSERT_FALSE(guest.ok());
    EXPECT_NE(guest.error().find("/nowhere/kvm"), std::string::npos);
    EXPECT_NE(guest.error().find("load kvm_intel or kvm_amd"), std::string::npos) << guest.error();
    profiler::HostCalibratorOptions options{};
    options.device = "/dev/null";
    EXPECT_FALSE(profiler::calibrate_host(options).ok()) << "a device, but not KVM's";
}

TEST(KvmGuest, ItsExitsHaveACost) {
    if (const auto guest{profiler::KvmGuest::create()}; !guest) GTEST_SKIP() << guest.error();
    profiler::HostCalibratorOptions options{};
    options.rounds = 3;
    options.exits = 2'000;
    const auto measured{profiler::calibrate_host(options)};
    ASSERT_TRUE(measured.ok()) << measured.error();
    ASSERT_FALSE(measured.value().all.empty());
    for (const db::Calibration& calibration : measured.value().all) {
        ASSERT_EQ(calibration.figures.size(), 1U);
        EXPECT_EQ(calibration.figures[0].quantity, db::Quantity::exit_entry);
        EXPECT_EQ(calibration.figures[0].repetitions, 3U);
        EXPECT_GT(calibration.figures[0].median, 0) << calibration.unit;
        EXPECT_FALSE(calibration.machine.cpu_brand.empty());
    }
}

} // namespace
} // namespace shadowtune
