// What a session does where the line, the VMM or whoever is there fails it.

#include "tests/link/host/session_fixture.hpp"

#include <fstream>
#include <numeric>

namespace shadowtune::link::test {
namespace {

// One frame in ten is dropped, doubled or damaged, each way.
TEST_F(SessionTest, FaultsCostFreshnessNeverCounts) {
    FakeOptions fake;
    fake.fault_one_in = 10;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    options.silence = 10ms;
    const auto session{open()};
    std::uint64_t last{0};
    for (std::uint32_t round{1}; round <= 60; ++round) {
        const auto snapshot{session->snapshot()};
        ASSERT_TRUE(snapshot.ok()) << message(snapshot);
        const std::uint64_t n{check(snapshot.value())};
        EXPECT_GT(n, last);
        last = n;
        // Exactly once each, however often the command or its answer was lost.
        const auto loaded{session->load_profile({})};
        ASSERT_TRUE(loaded.ok()) << message(loaded);
        ASSERT_EQ(loaded.value(), round);
        ASSERT_EQ(vmm.generation(), round);
    }
    const SessionStatistics statistics{session->statistics()};
    EXPECT_EQ(statistics.snapshots, 60U);
    EXPECT_EQ(statistics.snapshots_refused, 0U);
    EXPECT_GT(statistics.snapshots_lost, 10U);
    EXPECT_GT(statistics.frames_dropped, 10U);
    EXPECT_GT(statistics.frames_missed, 10U);
    EXPECT_GT(statistics.frames_doubled, 10U);
    EXPECT_GT(statistics.resends, 10U);
    EXPECT_EQ(statistics.boots, 1U);
}

TEST_F(SessionTest, ASlowLineIsNotAskedTwice) {
    FakeOptions fake;
    fake.per_byte = 100us;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    options.silence = 300ms;
    const auto session{open()};
    const auto snapshot{session->snapshot()};
    ASSERT_TRUE(snapshot.ok()) << message(snapshot);
    check(snapshot.value());
    EXPECT_EQ(session->statistics().resends, 0U);
}

// The line is cut at every place of the conversation: within the greeting, the head, each part.
TEST_F(SessionTest, ACutAnywhereIsMended) {
    for (std::size_t bytes{1}; bytes < 12'500; bytes += 997) {
        FakeOptions fake;
        fake.cut_after = bytes;
        FakeVmm vmm{fake};
        vmm.listen_unix(path);
        options.deadline = 300ms;
        options.transport.shortest_backoff = 1ms;
        options.transport.longest_backoff = 5ms;
        const auto session{open()};
        const auto begun{Clock::now()};
        // Every connection is cut at the same place: nothing can come through, and nothing may hang.
        const auto failed{session->snapshot()};
        EXPECT_LT(Clock::now() - begun, 5s);
        ASSERT_FALSE(failed.ok()) << "cut after " << bytes;
        EXPECT_FALSE(failed.error().message.empty());
        EXPECT_GT(session->statistics().reconnects, 0U);
    }
}

TEST_F(SessionTest, ReconnectsAndGoesOn) {
    FakeVmm vmm{{}};
    vmm.listen_unix(path);
    options.transport.shortest_backoff = 1ms;
    const auto session{open()};
    std::uint64_t last{0};
    for (int round{0}; round < 20; ++round) {
        const auto snapshot{session->snapshot()};
        ASSERT_TRUE(snapshot.ok()) << message(snapshot);
        const std::uint64_t n{check(snapshot.value())};
        EXPECT_GT(n, last);
        last = n;
        const auto connections{vmm.connections()};
        vmm.cut();
        for (int turn{0}; turn < 1000 && vmm.connections() == connections; ++turn) {
            const auto listened{session->listen(5ms)};
            ASSERT_TRUE(listened.ok()) << message(listened);
        }
        EXPECT_EQ(vmm.connections(), connections + 1);
    }
    EXPECT_EQ(session->statistics().reconnects, 20U);
    EXPECT_EQ(session->statistics().boots, 1U) << "the same VMM all the time";
}

TEST_F(SessionTest, WaitsForAVmmThatStartsLate) {
    const auto session{open()};
    FakeVmm vmm{{}};
    std::thread later{[&] {
        std::this_thread::sleep_for(100ms);
        vmm.listen_unix(path);
    }};
    const auto hello{session->hello()};
    later.join();
    EXPECT_TRUE(hello.ok()) << message(hello);
}

TEST_F(SessionTest, ARebootIsSaidAndCountsBeginAnew) {
    options.silence = 5s; // nothing is lost here: a busy machine must not look like a lossy line
    for (const bool silent : {false, true}) {
        FakeVmm vmm{{}};
        vmm.listen_unix(path);
        std::vector<std::uint64_t> boots;
        options.on_boot = [&](const HelloInfo& info) { boots.push_back(info.boot_id); };
        const auto session{open()};
        for (int i{0}; i < 5; ++i) {
            const auto snapshot{session->snapshot()};
            ASSERT_TRUE(snapshot.ok()) << message(snapshot);
            EXPECT_EQ(check(snapshot.value()), 1001U + static_cast<unsigned>(i));
        }
        vmm.reboot(0xB002, silent);
        const auto snapshot{session->snapshot()};
        ASSERT_TRUE(snapshot.ok()) << message(snapshot);
        EXPECT_EQ(snapshot.value().boot_id, 0xB002U);
        // Lower than before: right, in another boot. Some may have been spent on finding out.
        EXPECT_LE(check(snapshot.value()), 1003U);
        EXPECT_EQ(boots, (std::vector<std::uint64_t>{0xB001, 0xB002}))
            << (silent ? "greeting lost" : "greeted");
        EXPECT_EQ(session->statistics().boots, 2U);
    }
}

TEST_F(SessionTest, CountsThatGoBackAreRefused) {
    FakeOptions fake;
    fake.counts_go_back = true;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    const auto session{open()};
    ASSERT_TRUE(session->snapshot().ok());
    const auto refused{session->snapshot()};
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, LinkErrorKind::inconsistent);
    EXPECT_NE(refused.error().message.find("went back"), std::string::npos) << refused.error().message;
    EXPECT_EQ(session->statistics().snapshots_refused, 3U);
    EXPECT_EQ(session->statistics().snapshots, 1U);
}

TEST_F(SessionTest, BusyIsAskedAgainUnderANewId) {
    options.silence = 5s; // nothing is lost here: a busy machine must not look like a lossy line
    FakeOptions fake;
    fake.busy_answers = 3;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    const auto session{open()};
    const auto loaded{session->load_profile({})};
    ASSERT_TRUE(loaded.ok()) << message(loaded);
    EXPECT_EQ(loaded.value(), 1U);
    EXPECT_EQ(session->statistics().resends, 3U);
}

TEST_F(SessionTest, RefusalsSayWhatAndWhy) {
    FakeOptions fake;
    fake.refuse = CommandStatus::profile_rejected;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    const auto session{open()};
    const auto refused{session->load_profile({})};
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, LinkErrorKind::refused);
    EXPECT_NE(refused.error().message.find("guest_rip: a write-shadowed field must be read-shadowed too"),
              std::string::npos)
        << refused.error().message;
}

TEST_F(SessionTest, AnotherCatalogueIsSaidAtOnce) {
    FakeOptions fake;
    fake.catalogue_version = 1;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    const auto failed{open()->snapshot()};
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().kind, LinkErrorKind::incompatible);
}

TEST_F(SessionTest, NobodyThere) {
    options.deadline = 100ms;
    const auto failed{open()->snapshot()};
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().kind, LinkErrorKind::no_connection);
    EXPECT_NE(failed.error().message.find("is the VMM started"), std::string::npos) << failed.error().message;
}

TEST_F(SessionTest, SomebodyThereWhoDoesNotAnswer) {
    FakeOptions fake;
    fake.mute = true;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    options.deadline = 300ms;
    const auto session{open()};
    const auto failed{session->snapshot()};
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().kind, LinkErrorKind::timed_out);
    EXPECT_GE(session->statistics().resends, 1U);
}

TEST_F(SessionTest, TheStopFlagEndsACall) {
    std::atomic<bool> stop{false};
    options.stop = &stop;
    const auto session{open()};
    std::thread later{[&] {
        std::this_thread::sleep_for(50ms);
        stop = true;
    }};
    const auto begun{Clock::now()};
    const auto failed{session->snapshot()};
    later.join();
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().kind, LinkErrorKind::stopped);
    EXPECT_LT(Clock::now() - begun, 5s);
    const auto listened{session->listen(10s)};
    ASSERT_TRUE(listened.ok());
    EXPECT_FALSE(listened.value());
}

TEST_F(SessionTest, AFileThatIsNoLinkIsSaidAtOnce) {
    std::ofstream{path} << "no link";
    const auto failed{open()->snapshot()};
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().kind, LinkErrorKind::bad_address);
    const auto device{open("/dev/null")->snapshot()};
    ASSERT_FALSE(device.ok());
    EXPECT_EQ(device.error().kind, LinkErrorKind::bad_address);
}

} // namespace
} // namespace shadowtune::link::test
