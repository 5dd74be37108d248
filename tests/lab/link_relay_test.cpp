#include "lab/failure.hpp"
#include "lab/link_relay.hpp"
#include "lab/work_dir.hpp"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace shadowtune::lab {
namespace {

// A relay with a pair of sockets in the place of COM2.
class LinkRelayTest : public testing::Test {
protected:
    LinkRelayTest() {
        std::array<int, 2> pair{};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
        com2_.reset(pair[0]);
        relay_.connect_machine(FileDescriptor{pair[1]});
    }

    [[nodiscard]] FileDescriptor connect() const {
        FileDescriptor client{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return client;
    }

    void turn() {
        for (int i = 0; i < 4; ++i) {
            std::vector<pollfd> polled;
            relay_.add_to(polled);
            ASSERT_GE(::poll(polled.data(), polled.size(), 0), 0);
            relay_.handle(polled);
        }
    }

    static void send(const FileDescriptor& to, std::string_view text) {
        EXPECT_EQ(::send(to.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    }

    [[nodiscard]] static std::string receive(const FileDescriptor& from) {
        std::array<char, 256> bytes{};
        const auto got = ::recv(from.get(), bytes.data(), bytes.size(), 0);
        return got > 0 ? std::string{bytes.data(), static_cast<std::size_t>(got)} : std::string{};
    }

    WorkDir work_;
    std::filesystem::path path_ = work_.path() / "link";
    LinkRelay relay_{path_, {}};
    FileDescriptor com2_;
};

TEST_F(LinkRelayTest, carries_bytes_both_ways) {
    const auto client = connect();
    turn();
    send(com2_, "down");
    send(client, "up");
    turn();
    EXPECT_EQ(receive(client), "down");
    EXPECT_EQ(receive(com2_), "up");
}

TEST_F(LinkRelayTest, bytes_for_nobody_are_dropped) {
    send(com2_, "lost");
    turn();
    const auto client = connect();
    turn();
    send(com2_, "kept");
    turn();
    EXPECT_EQ(receive(client), "kept");
}

TEST_F(LinkRelayTest, a_newer_client_replaces_the_older_and_ends_its_half_frame) {
    const auto old_client = connect();
    turn();
    send(old_client, "half");
    turn();
    const auto new_client = connect();
    turn();
    send(new_client, "next");
    send(com2_, "x");
    turn();
    EXPECT_EQ(receive(com2_), std::string("half\0next", 9));
    EXPECT_EQ(receive(new_client), "x");
    char byte = 0;
    EXPECT_EQ(::recv(old_client.get(), &byte, 1, 0), 0) << "the old one sees the end";
}

TEST_F(LinkRelayTest, a_client_may_come_back) {
    for (int i = 0; i < 3; ++i) {
        const auto client = connect();
        turn();
        send(com2_, "x");
        turn();
        EXPECT_EQ(receive(client), "x");
    }
}

TEST_F(LinkRelayTest, a_served_socket_is_not_taken_over) {
    EXPECT_THROW(LinkRelay(path_, {}), Failure);
}

TEST(UnixListenerTest, replaces_a_dead_socket_only) {
    const WorkDir work;
    const auto path = work.path() / "s";
    work.write("s", "text");
    EXPECT_THROW(UnixListener{path}, Failure) << "a file";
    std::filesystem::remove(path);
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        const FileDescriptor dead{::socket(AF_UNIX, SOCK_STREAM, 0)};
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    ASSERT_TRUE(std::filesystem::exists(path)) << "left behind";
    { const UnixListener listener{path}; }
    EXPECT_FALSE(std::filesystem::exists(path)) << "cleaned up";
}

} // namespace
} // namespace shadowtune::lab
