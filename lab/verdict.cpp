#include "lab/verdict.hpp"

#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <sys/wait.h>

namespace shadowtune::lab {
namespace {

constexpr std::string_view farewell = "Bochs is exiting with the following message:\n";

} // namespace

Verdict verdict_of(std::string_view standard_error, int wait_status) {
    const auto at = standard_error.rfind(farewell);
    if (at != std::string_view::npos) {
        auto message = standard_error.substr(at + farewell.size());
        message = message.substr(0, message.find('\n'));
        // The message begins with the name of the device: trust no other device to say these words.
        if (message.starts_with("[ACPI") && message.find("soft power off") != std::string_view::npos) {
            return {ExitCode::powered_off, "ACPI power-off"};
        }
        if (message.find("shutdown requested") != std::string_view::npos) {
            return {ExitCode::powered_off, "power-off through port 0x8900"};
        }
        if (message.find("3rd") != std::string_view::npos) {
            return {ExitCode::emulator_panic, fmt::format("triple fault in the machine: {}", message)};
        }
        // The configuration is ours but for the processor's name, which only Bochs can check.
        if (message.find("bochsrc:") != std::string_view::npos) {
            return {ExitCode::usage,
                    fmt::format("Bochs refuses its configuration ({}): is --cpu-model one of those "
                                "that 'bochs --help cpu' lists?",
                                message)};
        }
        return {ExitCode::emulator_panic, fmt::format("Bochs panic: {}", message)};
    }
    if (WIFSIGNALED(wait_status)) {
        return {ExitCode::emulator_panic,
                fmt::format("Bochs was killed by signal {} ({})", WTERMSIG(wait_status),
                            strsignal(WTERMSIG(wait_status)))};
    }
    return {ExitCode::emulator_panic,
            fmt::format("Bochs ended without a message, status {}",
                        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : wait_status)};
}

bool tells_of_reset(std::string_view log_line) {
    return log_line.find("bx_pc_system_c::Reset(") != std::string_view::npos &&
           !log_line.starts_with("00000000000i");
}

} // namespace shadowtune::lab
