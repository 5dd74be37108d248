// An owned file descriptor, and the two kinds of sockets that the lab listens on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <unistd.h>
#include <utility>

namespace shadowtune::lab {

class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_{fd} {}
    ~FileDescriptor() { reset(); }
    FileDescriptor(FileDescriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

// A listening TCP socket on a loopback port that the kernel chooses, so that any number of labs run side by
// side. Throws Failure (internal).
struct LoopbackListener {
    FileDescriptor socket;
    std::uint16_t port = 0;
};
[[nodiscard]] LoopbackListener listen_on_loopback();

// A listening Unix socket. A socket file that nobody serves any more is replaced; a served one, or another
// kind of file, is a Failure (usage). The file goes away with the object.
class UnixListener {
public:
    explicit UnixListener(std::filesystem::path path);
    ~UnixListener();
    UnixListener(const UnixListener&) = delete;
    UnixListener& operator=(const UnixListener&) = delete;

    [[nodiscard]] int get() const { return socket_.get(); }

private:
    std::filesystem::path path_;
    FileDescriptor socket_;
};

// The next waiting connection, non-blocking; invalid where there is none.
[[nodiscard]] FileDescriptor accept_connection(int listener);

// Bochs sends a serial line byte by byte and waits for the acknowledgement of the first before it sends the
// rest; delayed acknowledgements would cost each message 40 ms. To be called after each read, for the setting
// does not last.
void acknowledge_at_once(int tcp_socket);

} // namespace shadowtune::lab
