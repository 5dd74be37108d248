#include "cli/console.hpp"

#include <chrono>
#include <cstdio>
#include <fmt/core.h>
#include <unistd.h>

namespace shadowtune::cli {

int fail(const CliError& error) {
    return fail(error.code, error.message);
}

int fail(ExitCode code, std::string_view message) {
    // What was printed before the error shall stand before it where both streams go to one place.
    std::fflush(stdout);
    note(message);
    return to_int(code);
}

void note(std::string_view message) {
    // Where nobody can be told, the exit code still tells: unlike print, this does not throw.
    std::fputs(fmt::format("shadowtune: {}\n", message).c_str(), stderr);
}

int finish_output() {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return to_int(ExitCode::ok);
    return fail(ExitCode::output_failed,
                "standard output cannot be written; free space on the disk, or redirect elsewhere");
}

std::string grouped(std::uint64_t number) {
    std::string text{std::to_string(number)};
    for (std::size_t left{text.size()}; left > 3;) {
        left -= 3;
        text.insert(left, 1, ',');
    }
    return text;
}

Progress::Progress(int interval_s) : m_terminal{isatty(STDERR_FILENO) == 1}, m_interval_s{interval_s} {}

void Progress::show(std::string_view state) {
    if (m_terminal) {
        fmt::print(stderr, "\r\033[K{}", state);
        m_shown = true;
        return;
    }
    using namespace std::chrono;
    const std::int64_t now{duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count()};
    if (now < m_next_ms) return;
    m_next_ms = now + std::int64_t{m_interval_s} * 1000;
    note(state);
}

void Progress::clear() {
    if (m_shown) fmt::print(stderr, "\r\033[K");
    m_shown = false;
}

} // namespace shadowtune::cli
