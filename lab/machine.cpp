#include "lab/machine.hpp"

#include "lab/bochs_config.hpp"
#include "lab/failure.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <fstream>
#include <sys/signalfd.h>
#include <sys/socket.h>

namespace shadowtune::lab {
namespace {

using namespace std::chrono_literals;

// How often Bochs's log is looked at for a reset, and half a line let stand; nothing is urgent about it.
constexpr auto log_interval = 1000ms;

[[nodiscard]] short events_of(const std::vector<pollfd>& polled, int fd) {
    for (const auto& entry : polled) {
        if (entry.fd == fd && fd >= 0) return entry.revents;
    }
    return 0;
}

[[nodiscard]] Verdict reset_verdict() {
    return {ExitCode::machine_reset, "the guest reset the machine instead of powering off"};
}

} // namespace

Machine::Machine(const RunOptions& options, const WorkDir& work)
    : options_{options}, work_{work}, com1_listener_{listen_on_loopback()}, debug_port_{open_pty()},
      filter_{options.cpus}, expectations_{options.expect}, input_open_{options.type.empty() &&
                                                                        options.input_fd >= 0},
      last_line_typed_{options.last_line.empty()}, input_allowed_{options.input_after.empty()} {
    for (const auto& line : options.type)
        typed_ += line + "\n";
    if (!options.bare) {
        link_ = options.link.empty() ? work.path() / "link" : options.link;
        relay_ = std::make_unique<LinkRelay>(link_, options.faults);
        com2_listener_ = listen_on_loopback();
    }
    start_bochs();
}

void Machine::start_bochs() {
    work_.write("bochsrc", bochs_config(options_, {com1_listener_.port, com2_listener_.port}));
    work_.write("commands", debugger_commands);
    bochs_ =
        std::make_unique<Child>(Child::Spec{.command = {"bochs", "-q", "-f", "bochsrc", "-rc", "commands"},
                                            .directory = work_.path(),
                                            .standard_output = debug_port_.slave.get(),
                                            .error_file = work_.path() / "bochs.err"});
    // The pty then reports a hang-up when Bochs, its only writer, is gone.
    debug_port_.slave.reset();
    started_ = Clock::now();
}

int Machine::milliseconds_left() const {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(log_interval);
    if (options_.timeout > 0s) {
        const auto limit = started_ + options_.timeout - Clock::now();
        // One more, for poll rounds down and would spin through the last millisecond.
        left = std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(limit) + 1ms, 0ms, left);
    }
    return static_cast<int>(left.count());
}

Verdict Machine::run(int signal_fd) {
    auto next_log = Clock::now() + log_interval;
    while (true) {
        poll_once(signal_fd);
        if ((events_of(polled_, bochs_->end_fd()) & POLLIN) != 0) return verdict_of_end();
        if (signal_ != 0) {
            return {signal_ == SIGINT ? ExitCode::interrupted : ExitCode::terminated,
                    fmt::format("ended by {}", signal_ == SIGINT ? "Ctrl-C" : "SIGTERM")};
        }
        const auto now = Clock::now();
        if (options_.timeout > 0s && now >= started_ + options_.timeout) {
            return {ExitCode::timeout,
                    fmt::format("the machine still ran after {} s (--timeout)", options_.timeout.count())};
        }
        if (now >= next_log) {
            next_log = now + log_interval;
            print(lines_.release());
            look_for_reset();
            if (was_reset_) return reset_verdict();
            type_last_line();
        }
    }
}

void Machine::poll_once(int signal_fd) {
    polled_.clear();
    polled_.push_back({signal_fd, POLLIN, 0});
    polled_.push_back({bochs_->end_fd(), POLLIN, 0});
    if (debug_port_.master.valid()) polled_.push_back({debug_port_.master.get(), POLLIN, 0});
    if (com1_.valid()) {
        polled_.push_back(
            {com1_.get(), static_cast<short>(POLLIN | (input_allowed_ && !typed_.empty() ? POLLOUT : 0)), 0});
    } else if (com1_listener_.socket.valid()) {
        polled_.push_back({com1_listener_.socket.get(), POLLIN, 0});
    }
    if (com2_listener_.socket.valid()) polled_.push_back({com2_listener_.socket.get(), POLLIN, 0});
    // The input waits in its pipe until the machine takes it.
    if (input_open_ && typed_.empty()) polled_.push_back({options_.input_fd, POLLIN, 0});
    if (relay_) relay_->add_to(polled_);

    if (::poll(polled_.data(), polled_.size(), milliseconds_left()) < 0) {
        if (errno != EINTR) throw system_failure("cannot wait for the machine");
        for (auto& entry : polled_)
            entry.revents = 0;
        return;
    }
    if (events_of(polled_, signal_fd) != 0) {
        signalfd_siginfo info{};
        if (::read(signal_fd, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            signal_ = static_cast<int>(info.ssi_signo);
        }
    }
    if (events_of(polled_, debug_port_.master.get()) != 0) read_debug_port();
    const auto console = events_of(polled_, com1_.get());
    if ((console & ~POLLOUT) != 0) read_console();
    if ((console & POLLOUT) != 0 && com1_.valid()) write_console();
    if (input_open_ && events_of(polled_, options_.input_fd) != 0) read_input();
    if (relay_) relay_->handle(polled_);
    accept_serial_lines();
}

void Machine::accept_serial_lines() {
    // Bochs connects once for each line; the port is closed again at once, so that nobody else takes the
    // place.
    if (com1_listener_.socket.valid() && events_of(polled_, com1_listener_.socket.get()) != 0) {
        com1_ = accept_connection(com1_listener_.socket.get());
        if (com1_.valid()) com1_listener_.socket.reset();
    }
    if (com2_listener_.socket.valid() && events_of(polled_, com2_listener_.socket.get()) != 0) {
        auto com2 = accept_connection(com2_listener_.socket.get());
        if (!com2.valid()) return;
        relay_->connect_machine(std::move(com2));
        com2_listener_.socket.reset();
    }
}

void Machine::read_console() {
    std::array<char, 4096> bytes;
    const auto got = ::recv(com1_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        com1_.reset();
        return;
    }
    acknowledge_at_once(com1_.get());
    const std::string_view text{bytes.data(), static_cast<std::size_t>(got)};
    expectations_.pass(Expectations::Stream::console, text);
    print(lines_.pass(LineMerger::Stream::console, text));
    if (input_allowed_) return;
    recent_ += text;
    input_allowed_ = recent_.find(options_.input_after) != std::string::npos;
    const auto keep = options_.input_after.size();
    if (recent_.size() > keep) recent_.erase(0, recent_.size() - keep);
}

void Machine::write_console() {
    const auto sent = ::send(com1_.get(), typed_.data(), typed_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) typed_.erase(0, static_cast<std::size_t>(sent));
}

void Machine::read_input() {
    std::array<char, 1024> bytes;
    const auto got = ::read(options_.input_fd, bytes.data(), bytes.size());
    if (got > 0) {
        typed_.append(bytes.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        input_open_ = false;
    }
}

void Machine::read_debug_port() {
    std::array<char, 4096> bytes;
    const auto got = ::read(debug_port_.master.get(), bytes.data(), bytes.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        debug_port_.master.reset();
        return;
    }
    const auto machine_bytes = filter_.pass({bytes.data(), static_cast<std::size_t>(got)});
    watch_.pass(machine_bytes);
    expectations_.pass(Expectations::Stream::debug_port, machine_bytes);
    print(lines_.pass(LineMerger::Stream::debug_port, machine_bytes));
}

void Machine::print(std::string_view bytes) {
    if (bytes.empty()) return;
    if (options_.console) {
        options_.console(bytes);
        return;
    }
    while (!bytes.empty()) {
        const auto written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return; // nobody reads any more; the run itself goes on to its exit code
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

void Machine::look_for_reset() {
    std::ifstream log{work_.path() / "bochs.log"};
    log.seekg(static_cast<std::streamoff>(log_read_));
    for (std::string line; std::getline(log, line);) {
        if (log.eof()) break; // half a line: again next time
        log_read_ += line.size() + 1;
        was_reset_ = was_reset_ || tells_of_reset(line);
    }
}

void Machine::type_last_line() {
    if (last_line_typed_ || !expectations_.first_missing().empty()) return;
    if (options_.may_end && !options_.may_end()) return;
    typed_ += options_.last_line + "\n";
    last_line_typed_ = true;
}

// Bochs is gone, but what it wrote last may still be on its way.
void Machine::drain() {
    while (com1_.valid())
        read_console();
    // A dead writer makes the pty fail with EIO once it is empty.
    while (debug_port_.master.valid())
        read_debug_port();
    const auto rest = filter_.finish();
    watch_.pass(rest);
    expectations_.pass(Expectations::Stream::debug_port, rest);
    print(lines_.pass(LineMerger::Stream::debug_port, rest));
    print(lines_.release());
}

Verdict Machine::verdict_of_end() {
    const int status = bochs_->wait();
    drain();
    const auto verdict = verdict_of(read_text(work_.path() / "bochs.err"), status);
    // The VMM ends in the same way as a guest that powers off; its last words make the difference.
    if (!options_.bare && !watch_.cannot_start().empty())
        return {ExitCode::vmm_cannot_start, watch_.cannot_start()};
    if (!options_.bare && !watch_.stopped().empty()) return {ExitCode::l1_stopped, watch_.stopped()};
    // What a machine does after a reset (boot again, or fault on what the first boot left) is no finding of
    // its own.
    look_for_reset();
    return was_reset_ ? reset_verdict() : expected(verdict);
}

Verdict Machine::expected(Verdict verdict) const {
    const auto text = expectations_.first_missing();
    if (verdict.code != ExitCode::powered_off || text.empty()) return verdict;
    return {ExitCode::not_printed, fmt::format("'{}' was not printed (--expect)", text)};
}

} // namespace shadowtune::lab
