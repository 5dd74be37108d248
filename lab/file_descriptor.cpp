#include "lab/file_descriptor.hpp"

#include "lab/failure.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace shadowtune::lab {
namespace {

// The socket interface speaks of sockaddr, whatever the family.
template <typename Address>
[[nodiscard]] sockaddr* generic(Address& address) {
    return reinterpret_cast<sockaddr*>(&address);
}

[[nodiscard]] sockaddr_un unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), std::min(path.native().size(), sizeof address.sun_path - 1));
    return address;
}

[[nodiscard]] bool is_served(sockaddr_un address) {
    const FileDescriptor probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    return probe.valid() && ::connect(probe.get(), generic(address), sizeof address) == 0;
}

} // namespace

LoopbackListener listen_on_loopback() {
    LoopbackListener listener{
        FileDescriptor{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)}, 0};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (!listener.socket.valid() || ::bind(listener.socket.get(), generic(address), length) != 0 ||
        ::listen(listener.socket.get(), 1) != 0 ||
        ::getsockname(listener.socket.get(), generic(address), &length) != 0) {
        throw system_failure(
            "cannot listen on 127.0.0.1 for the machine's serial line (is the loopback interface up?)");
    }
    listener.port = ntohs(address.sin_port);
    return listener;
}

UnixListener::UnixListener(std::filesystem::path path) : path_{std::move(path)} {
    auto address = unix_address(path_);
    struct stat status {};
    if (::lstat(path_.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            throw Failure{
                ExitCode::usage,
                fmt::format("--link {} is a file and no socket: choose another path", path_.string())};
        }
        if (is_served(address)) {
            throw Failure{ExitCode::usage,
                          fmt::format("--link {} is served by another lab: end it, or choose another path",
                                      path_.string())};
        }
        ::unlink(path_.c_str());
    }
    FileDescriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket.valid() || ::bind(socket.get(), generic(address), sizeof address) != 0 ||
        ::listen(socket.get(), 8) != 0) {
        throw Failure{ExitCode::usage,
                      fmt::format("cannot make the link's socket {} ({}): choose another path",
                                  path_.string(), std::strerror(errno))};
    }
    socket_ = std::move(socket);
}

UnixListener::~UnixListener() {
    if (socket_.valid()) ::unlink(path_.c_str());
}

FileDescriptor accept_connection(int listener) {
    return FileDescriptor{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
}

void acknowledge_at_once(int tcp_socket) {
    const int on{1};
    // Without it the line is slow, nothing else.
    (void)::setsockopt(tcp_socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

} // namespace shadowtune::lab
