// A child process that never outlives its owner.
#pragma once

#include "lab/file_descriptor.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace shadowtune::lab {

// Started in its own process group (the terminal's Ctrl-C is for the lab, which then ends the child in
// order), with standard input from /dev/null. The destructor kills and reaps; so does the kernel when the lab
// itself is killed.
class Child {
public:
    struct Spec {
        std::vector<std::string> command; // looked up in PATH
        std::filesystem::path directory;
        int standard_output = -1;         // inherited by the child only
        std::filesystem::path error_file; // standard error; standard output too where that is -1
    };
    // Throws Failure (internal) where the process cannot be made; a command that cannot be run ends with
    // status 127.
    explicit Child(const Spec& spec);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    // Becomes readable when the child has ended: for poll.
    [[nodiscard]] int end_fd() const { return pidfd_.get(); }
    [[nodiscard]] pid_t pid() const { return pid_; }

    // Waits for the end and gives the wait status; the same again when called again.
    int wait();
    void kill();

private:
    pid_t pid_ = -1;
    FileDescriptor pidfd_;
    std::optional<int> status_;
};

// A pseudo-terminal in raw mode. What writes to the slave side sees a terminal, and so does not buffer by the
// block.
struct Pty {
    FileDescriptor master; // non-blocking
    FileDescriptor slave;
};
[[nodiscard]] Pty open_pty();

} // namespace shadowtune::lab
