// Sessions with a VMM at the other end of a line that does what lines do.

#include "link/host/session.hpp"
#include "tests/link/host/fake_vmm.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <netdb.h>
#include <numeric>
#include <pty.h>

namespace shadowtune::link::test {
namespace {

using namespace std::chrono_literals;

class SessionTest : public testing::Test {
protected:
    SessionTest() {
        char name[]{"/tmp/shadowtune-link-XXXXXX"};
        m_folder = ::mkdtemp(name);
        path = m_folder + "/link";
        options.silence = 40ms;
        options.deadline = 20s;
    }
    ~SessionTest() override { std::filesystem::remove_all(m_folder); }

    [[nodiscard]] std::unique_ptr<Session> open(std::string_view address = {}) {
        auto opened{Session::open(address.empty() ? path : address, options)};
        EXPECT_TRUE(opened.ok());
        return std::move(opened).value();
    }

    std::string path;
    SessionOptions options;

private:
    std::string m_folder;
};

// Returns the snapshot's number; every counter must agree with it.
std::uint64_t check(const Snapshot& snapshot) {
    const std::uint64_t n{snapshot.vcpus.at(0).head.round_trips};
    for (const VcpuSnapshot& vcpu : snapshot.vcpus) {
        EXPECT_EQ(std::uint64_t{vcpu.head.round_trips}, n);
        EXPECT_EQ(vcpu.counters.size(), fake_counters);
        for (std::size_t i{0}; i < fake_counters; ++i) {
            const CounterRecord sent{fake_counter(i, n)};
            const Counter expected{sent.encoding, static_cast<Access>(sent.access), sent.reason, sent.count};
            if (!std::binary_search(vcpu.counters.begin(), vcpu.counters.end(), expected,
                                    [](const auto& a, const auto& b) {
                                        return std::tuple{a.key(), a.count} < std::tuple{b.key(), b.count};
                                    })) {
                ADD_FAILURE() << "counter " << i << " is wrong in snapshot " << n;
                return n;
            }
        }
    }
    return n;
}

template <typename T>
[[nodiscard]] std::string message(const Result<T, LinkError>& result) {
    return result.ok() ? std::string{"no error"} : result.error().message;
}

// A good talk of every kind, over whatever carries it.
void talk(Session& session, FakeVmm& vmm) {
    const auto hello{session.hello()};
    ASSERT_TRUE(hello.ok()) << message(hello);
    EXPECT_EQ(hello.value().boot_id, 0xB001U);
    EXPECT_EQ(hello.value().cpu_brand, "Fake CPU");
    EXPECT_EQ(hello.value().l1_name, "Linux ?[31m6.1") << "L1's name must not speak to the terminal";
    EXPECT_EQ(hello.value().offered_fields.count(), vmcs::field_count);
    const auto snapshot{session.snapshot()};
    ASSERT_TRUE(snapshot.ok()) << message(snapshot);
    EXPECT_EQ(check(snapshot.value()), 1001U);
    EXPECT_EQ(snapshot.value().boot_id, 0xB001U);
    const auto loaded{session.load_profile({})};
    ASSERT_TRUE(loaded.ok()) << message(loaded);
    EXPECT_EQ(loaded.value(), 1U);
    const auto mode{session.set_mode(Mode::tuned)};
    ASSERT_TRUE(mode.ok()) << message(mode);
    EXPECT_EQ(mode.value(), 2U);
    EXPECT_EQ(vmm.mode(), Mode::tuned);
    const auto status{session.status()};
    ASSERT_TRUE(status.ok()) << message(status);
    EXPECT_EQ(status.value().at(0).generation, 2U);
    EXPECT_EQ(status.value().at(0).mode, Mode::tuned);
    EXPECT_EQ(status.value().at(0).profile_name, "fake");
}

TEST_F(SessionTest, TalksOverAUnixSocket) {
    options.silence = 5s; // nothing is lost here: a busy machine must not look like a lossy line
    FakeVmm vmm{{}};
    vmm.listen_unix(path);
    const auto session{open()};
    talk(*session, vmm);
    const SessionStatistics statistics{session->statistics()};
    EXPECT_EQ(statistics.resends, 0U);
    EXPECT_EQ(statistics.reconnects, 0U);
    EXPECT_EQ(statistics.frames_dropped + statistics.frames_missed + statistics.frames_doubled, 0U);
    EXPECT_EQ(statistics.frames_received, 1U + 1U + fake_parts + 1U + 1U + 1U);
}

TEST_F(SessionTest, TalksOverLoopbackTcp) {
    FakeVmm vmm{{}};
    // The name may stand for an IPv6 address first, where nobody listens; a machine without /etc/hosts has no
    // such name.
    addrinfo* list{nullptr};
    const std::string host{::getaddrinfo("localhost", nullptr, nullptr, &list) == 0 ? "localhost"
                                                                                    : "127.0.0.1"};
    if (list != nullptr) ::freeaddrinfo(list);
    const auto session{open("tcp:" + host + ":" + std::to_string(vmm.listen_tcp()))};
    talk(*session, vmm);
}

TEST_F(SessionTest, TalksOverAPty) {
    int master{-1};
    int slave{-1};
    char name[256]{};
    ASSERT_EQ(::openpty(&master, &slave, name, nullptr, nullptr), 0);
    const UniqueFd keep{slave};
    FakeVmm vmm{{}};
    vmm.serve_terminal(UniqueFd{master});
    const auto session{open(name)};
    talk(*session, vmm);
}

TEST_F(SessionTest, SeveralVcpusAndAChattyVmm) {
    FakeOptions fake;
    fake.vcpus = 3;
    fake.chatter = true;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    std::vector<std::string> lines;
    options.on_log = [&](LogLevel level, std::string_view text) {
        EXPECT_EQ(level, LogLevel::warning);
        lines.emplace_back(text);
    };
    const auto session{open()};
    // Three frames between any two of a snapshot: more than its parts, so some cannot be told from a second
    // answer's.
    const auto status{session->status()};
    ASSERT_TRUE(status.ok()) << message(status);
    EXPECT_EQ(status.value().size(), 3U);
    ASSERT_GE(lines.size(), 4U);
    EXPECT_EQ(lines.front(), "noise");
}

TEST_F(SessionTest, SnapshotsOfSeveralVcpus) {
    FakeOptions fake;
    fake.vcpus = 4;
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    const auto session{open()};
    const auto snapshot{session->snapshot()};
    ASSERT_TRUE(snapshot.ok()) << message(snapshot);
    ASSERT_EQ(snapshot.value().vcpus.size(), 4U);
    EXPECT_EQ(check(snapshot.value()), 1001U);
}

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

TEST(Address, Forms) {
    const auto tcp{parse_address("tcp:localhost:5000")};
    ASSERT_TRUE(tcp.ok());
    EXPECT_TRUE(tcp.value().tcp);
    EXPECT_EQ(tcp.value().host, "localhost");
    EXPECT_EQ(tcp.value().port, "5000");
    const auto bracketed{parse_address("tcp:[::1]:5000")};
    ASSERT_TRUE(bracketed.ok());
    EXPECT_EQ(bracketed.value().host, "::1");
    const auto path{parse_address("/dev/ttyS0")};
    ASSERT_TRUE(path.ok());
    EXPECT_FALSE(path.value().tcp);
    EXPECT_EQ(path.value().path, "/dev/ttyS0");
    for (const char* bad : {"", "tcp:", "tcp:host", "tcp::5000", "tcp:host:", "tcp:host:0", "tcp:host:65536",
                            "tcp:host:12x", "tcp:::1:5000"}) {
        const auto refused{parse_address(bad)};
        ASSERT_FALSE(refused.ok()) << bad;
        EXPECT_EQ(refused.error().kind, LinkErrorKind::bad_address);
        EXPECT_FALSE(refused.error().message.empty());
    }
}

} // namespace
} // namespace shadowtune::link::test
