#include "lab/child.hpp"

#include "lab/failure.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

namespace shadowtune::lab {
namespace {

// Everything after fork in a process that may have threads: system calls only, no allocation.
[[noreturn]] void become(char* const* argv, const char* directory, int input, int output, int error) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    if (::chdir(directory) == 0 && ::dup2(input, 0) == 0 && ::dup2(output, 1) == 1 && ::dup2(error, 2) == 2) {
        ::execvp(argv[0], argv);
    }
    ::_exit(127);
}

} // namespace

Child::Child(const Spec& spec) {
    auto command = spec.command;
    std::vector<char*> argv;
    argv.reserve(command.size() + 1);
    for (auto& word : command)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    const FileDescriptor input{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const FileDescriptor error{
        ::open(spec.error_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (!input.valid() || !error.valid())
        throw system_failure(fmt::format("cannot open {}", spec.error_file.string()));
    const int output = spec.standard_output >= 0 ? spec.standard_output : error.get();

    pid_ = ::fork();
    if (pid_ < 0) throw system_failure(fmt::format("cannot start {}", spec.command.front()));
    if (pid_ == 0) become(argv.data(), spec.directory.c_str(), input.get(), output, error.get());
    // Also from here, so that the group is there whichever of the two runs first.
    ::setpgid(pid_, pid_);
    // By number: glibc 2.36's own header declares pidfd_open with C++ linkage.
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!pidfd_.valid()) {
        const auto failure = system_failure(fmt::format("cannot watch {}", spec.command.front()));
        kill();
        wait();
        throw failure;
    }
}

Child::~Child() {
    if (pid_ > 0 && !status_) {
        kill();
        wait();
    }
}

void Child::kill() {
    // The group: grub-mkrescue is a parent itself.
    if (pid_ > 0 && !status_) ::kill(-pid_, SIGKILL);
}

int Child::wait() {
    if (status_) return *status_;
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = status;
    return status;
}

Pty open_pty() {
    int master = -1;
    int slave = -1;
    termios raw{};
    cfmakeraw(&raw);
    if (::openpty(&master, &slave, nullptr, &raw, nullptr) != 0) {
        throw system_failure("cannot open a pseudo-terminal (is /dev/pts mounted?)");
    }
    Pty pty{FileDescriptor{master}, FileDescriptor{slave}};
    ::fcntl(master, F_SETFD, FD_CLOEXEC);
    ::fcntl(slave, F_SETFD, FD_CLOEXEC);
    ::fcntl(master, F_SETFL, O_NONBLOCK);
    return pty;
}

} // namespace shadowtune::lab
