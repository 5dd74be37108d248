// What a session can do, over each kind of line.

#include "tests/link/host/session_fixture.hpp"
#include "tests/vmcs/random_fingerprint.hpp"

#include <netdb.h>
#include <numeric>
#include <pty.h>

namespace shadowtune::link::test {
namespace {

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

TEST_F(SessionTest, BringsTheFingerprintOnceThereIsOne) {
    std::mt19937_64 random{3};
    FakeOptions fake{};
    fake.fault_one_in = 5;
    fake.chatter = true;
    fake.fingerprint = vmcs::testing::random_fingerprint(random);
    FakeVmm vmm{fake};
    vmm.listen_unix(path);
    const auto session{open()};
    auto asked{session->fingerprint()};
    ASSERT_TRUE(asked.ok()) << message(asked);
    while (asked.ok() && asked.value().state == RecognitionState::awaited)
        asked = session->fingerprint();
    ASSERT_TRUE(asked.ok()) << message(asked);
    EXPECT_EQ(asked.value().state, RecognitionState::seen);
    EXPECT_EQ(asked.value().fingerprint, *fake.fingerprint);
    EXPECT_EQ(asked.value().boot_id, 0xB001U);
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
