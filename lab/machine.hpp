// A running Bochs, and the loop that carries its bytes until it ends.
#pragma once

#include "lab/child.hpp"
#include "lab/debug_port_filter.hpp"
#include "lab/expectations.hpp"
#include "lab/file_descriptor.hpp"
#include "lab/line_merger.hpp"
#include "lab/link_relay.hpp"
#include "lab/options.hpp"
#include "lab/verdict.hpp"
#include "lab/work_dir.hpp"

#include <chrono>
#include <memory>
#include <poll.h>
#include <string>
#include <vector>

namespace shadowtune::lab {

class Machine {
public:
    // Makes the link's socket and Bochs's configuration in `work`, and starts Bochs. Throws Failure.
    Machine(const RunOptions& options, const WorkDir& work);

    // Where tools reach the link; empty with --bare.
    [[nodiscard]] const std::filesystem::path& link() const { return link_; }

    // Carries bytes until Bochs ends, the time limit goes by, or a signal arrives on `signal_fd`.
    [[nodiscard]] Verdict run(int signal_fd);

    [[nodiscard]] std::string link_summary() const { return relay_ ? relay_->summary() : std::string{}; }

private:
    using Clock = std::chrono::steady_clock;

    void start_bochs();
    [[nodiscard]] int milliseconds_left() const;
    void poll_once(int signal_fd);
    void accept_serial_lines();
    void read_console();
    void write_console();
    void read_input();
    void read_debug_port();
    void print(std::string_view bytes);
    void look_for_reset();
    void type_last_line();
    void drain();
    [[nodiscard]] Verdict verdict_of_end();
    [[nodiscard]] Verdict expected(Verdict verdict) const;

    const RunOptions& options_;
    const WorkDir& work_;
    std::filesystem::path link_;
    std::unique_ptr<LinkRelay> relay_; // none with --bare
    LoopbackListener com1_listener_;
    LoopbackListener com2_listener_;
    FileDescriptor com1_;
    Pty debug_port_;
    std::unique_ptr<Child> bochs_;

    DebugPortFilter filter_;
    VerdictWatch watch_;
    Expectations expectations_;
    LineMerger lines_;
    std::string typed_; // from the input, not yet taken by COM1
    bool input_open_;
    bool last_line_typed_;
    bool input_allowed_; // input_after has been seen
    std::string recent_; // the console's last bytes, for input_after
    std::vector<pollfd> polled_;
    int signal_ = 0;
    std::uintmax_t log_read_ = 0; // how much of bochs.log look_for_reset has seen
    bool was_reset_ = false;
    Clock::time_point started_ = Clock::now();
};

} // namespace shadowtune::lab
