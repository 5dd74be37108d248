#include "cli/connection.hpp"

#include "cli/options.hpp"
#include "db/records.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>

namespace shadowtune::cli {

namespace {

using Clock = std::chrono::steady_clock;

[[nodiscard]] std::chrono::milliseconds milliseconds(double seconds) {
    return std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1000)};
}

constexpr std::chrono::milliseconds poll_interval{50};

} // namespace

void add_connection_options(CLI::App& verb, ConnectionOptions& options) {
    verb.add_option("--link", options.link, "The VMM's link: a Unix socket, a tty, or tcp:HOST:PORT")
        ->required();
    verb.add_option("--timeout", options.timeout_s, "Seconds to wait for each answer of the VMM")
        ->check(between(0.1, 86400))
        ->capture_default_str();
}

CliError to_cli_error(const link::LinkError& error) {
    switch (error.kind) {
    case link::LinkErrorKind::bad_address: return {ExitCode::usage, error.message};
    case link::LinkErrorKind::refused: return {ExitCode::refused, error.message};
    case link::LinkErrorKind::stopped: return {ExitCode::interrupted, "interrupted"};
    case link::LinkErrorKind::no_connection:
    case link::LinkErrorKind::timed_out:
    case link::LinkErrorKind::incompatible:
    case link::LinkErrorKind::inconsistent: break;
    }
    return {ExitCode::unreachable, error.message};
}

Result<std::unique_ptr<link::Session>, CliError> connect(const ConnectionOptions& options,
                                                         const Interrupt& interrupt) {
    link::SessionOptions session_options{};
    session_options.deadline = milliseconds(options.timeout_s);
    session_options.stop = &interrupt.now();
    session_options.on_log = [](link::LogLevel level, std::string_view text) {
        std::string clean{text};
        // L0 may pass on bytes that a terminal would obey.
        std::ranges::replace_if(
            clean, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
        note(fmt::format("VMM{}: {}",
                         level == link::LogLevel::error     ? " error"
                         : level == link::LogLevel::warning ? " warning"
                                                            : "",
                         clean));
    };
    auto session{link::Session::open(options.link, std::move(session_options))};
    if (!session) return Failure{to_cli_error(session.error())};
    return std::move(session).value();
}

Result<void, CliError> check_sets(const vmcs::ShadowSets& sets, const vmcs::ProfileTarget& target,
                                  std::string_view where) {
    const auto valid{vmcs::validate(sets, target)};
    if (valid) return {};
    return Failure{CliError{ExitCode::refused,
                            fmt::format("{}: field {}: {}; tune again from a recording of this machine",
                                        where, vmcs::catalogue[valid.error().field].symbol,
                                        vmcs::describe(valid.error().rule))}};
}

std::string mode_text(link::Mode mode, std::uint16_t sample_interval) {
    std::string text{db::text(static_cast<db::Mode>(mode))};
    if (mode == link::Mode::sample) text += " 1/" + std::to_string(sample_interval);
    return text;
}

Result<InForce, CliError> wait_for_generation(link::Session& session, std::uint32_t generation,
                                              double timeout_s) {
    const auto until{Clock::now() + milliseconds(timeout_s)};
    while (true) {
        auto status{session.status()};
        if (!status) return Failure{to_cli_error(status.error())};
        InForce result{};
        result.vcpus = std::move(status).value();
        result.everywhere = std::ranges::all_of(
            result.vcpus, [&](const link::VcpuStatus& vcpu) { return vcpu.generation >= generation; });
        if (result.everywhere || Clock::now() >= until) return result;
        const auto listened{session.listen(poll_interval)};
        if (!listened) return Failure{to_cli_error(listened.error())};
        if (!listened.value()) return Failure{CliError{ExitCode::interrupted, "interrupted"}};
    }
}

} // namespace shadowtune::cli
