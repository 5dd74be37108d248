#include "lab/run.hpp"

#include "lab/boot_image.hpp"
#include "lab/failure.hpp"
#include "lab/machine.hpp"
#include "lab/prerequisites.hpp"
#include "lab/work_dir.hpp"

#include <cerrno>
#include <csignal>
#include <exception>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/signalfd.h>

namespace shadowtune::lab {
namespace {

// While it lives, SIGINT and SIGTERM arrive as data, so that every end of a run is an orderly one.
class SignalsAsData {
public:
    SignalsAsData() {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &set, &old_);
        fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd_.valid()) throw system_failure("cannot receive signals as data");
    }
    ~SignalsAsData() {
        // A second Ctrl-C during the clean-up says nothing new; delivered now, it would change the exit code.
        signalfd_siginfo ignored{};
        while (::read(fd_.get(), &ignored, sizeof ignored) > 0) {
        }
        pthread_sigmask(SIG_SETMASK, &old_, nullptr);
    }
    SignalsAsData(const SignalsAsData&) = delete;
    SignalsAsData& operator=(const SignalsAsData&) = delete;
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    sigset_t old_{};
    FileDescriptor fd_;
};

void say(const RunOptions& options, const std::string& line) {
    if (!options.quiet && !line.empty()) fmt::print(stderr, "lab: {}\n", line);
}

[[nodiscard]] ExitCode run_checked(const RunOptions& options) {
    check_options(options);
    const auto l1 = check_prerequisites(options);
    const SignalsAsData signals;
    const WorkDir work;
    say(options, "making the boot image");
    make_boot_image(options, l1, work);
    Machine machine{options, work};
    say(options, fmt::format("the machine runs{}",
                             options.bare ? " without the VMM" : ", link at " + machine.link().string()));
    if (!options.bare && options.on_link_ready) options.on_link_ready(machine.link());
    const auto verdict = machine.run(signals.fd());
    say(options, machine.link_summary());
    // A failure is told even to the quiet.
    if (!options.quiet || verdict.code != ExitCode::powered_off) {
        fmt::print(stderr, "lab: {}: {}\n", describe(verdict.code), verdict.reason);
    }
    return verdict.code;
}

} // namespace

ExitCode run(const RunOptions& options) {
    try {
        return run_checked(options);
    } catch (const Failure& failure) {
        fmt::print(stderr, "lab: {}\n", failure.what());
        return failure.code();
    } catch (const std::exception& error) {
        fmt::print(stderr, "lab: {}\n", error.what());
        return ExitCode::internal;
    }
}

} // namespace shadowtune::lab
