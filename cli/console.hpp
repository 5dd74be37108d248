#pragma once

// What verbs say to people: error lines, notes and progress on standard error; results on standard output.

#include "cli/exit_codes.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace shadowtune::cli {

// A verb's outcome when it is not a result: one line for people and the exit code that goes with it.
struct CliError {
    ExitCode code{ExitCode::internal};
    std::string message;
};

// Prints "shadowtune: MESSAGE" and gives the code back.
int fail(const CliError& error);
int fail(ExitCode code, std::string_view message);

// "shadowtune: MESSAGE" without an error.
void note(std::string_view message);

// Standard output is closed or its disk full: output_failed. Otherwise ok. Call after the last print.
[[nodiscard]] int finish_output();

// 1234567 -> "1,234,567"
[[nodiscard]] std::string grouped(std::uint64_t number);

// A state that changes: rewritten in place on a terminal; one line each `interval_s` seconds elsewhere, so
// that logs stay short.
class Progress {
public:
    explicit Progress(int interval_s = 10);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    void show(std::string_view state);
    // Takes the line away before other output.
    void clear();

private:
    bool m_terminal{false};
    bool m_shown{false};
    int m_interval_s;
    std::int64_t m_next_ms{0};
};

} // namespace shadowtune::cli
