#pragma once

// What the verbs that talk to a running VMM have in common: the options, the session, the wait for a reload.

#include "cli/console.hpp"
#include "cli/interrupt.hpp"
#include "link/host/session.hpp"

#include <CLI/CLI.hpp>
#include <memory>

namespace shadowtune::cli {

struct ConnectionOptions {
    std::string link;
    double timeout_s{30};
};

void add_connection_options(CLI::App& verb, ConnectionOptions& options);

// The VMM's log lines go to standard error.
[[nodiscard]] Result<std::unique_ptr<link::Session>, CliError> connect(const ConnectionOptions& options,
                                                                       const Interrupt& interrupt);

// The exit code that goes with each kind of failure on the link.
[[nodiscard]] CliError to_cli_error(const link::LinkError& error);

// The check that L0 will make anyway, made before anything is sent: the answer names the field, and `where`
// the sets are from. Error: refused.
[[nodiscard]] Result<void, CliError> check_sets(const vmcs::ShadowSets& sets,
                                                const vmcs::ProfileTarget& target, std::string_view where);

// "trap", "tuned", "sample 1/64".
[[nodiscard]] std::string mode_text(link::Mode mode, std::uint16_t sample_interval);

struct InForce {
    bool everywhere{false}; // every vCPU runs `generation` or a later one
    std::vector<link::VcpuStatus> vcpus;
};

// Waits until every vCPU has passed a safe point and runs this generation, for at most the timeout. L1 that
// does not run L2 may not pass one for long: that is an answer, not an error.
[[nodiscard]] Result<InForce, CliError> wait_for_generation(link::Session& session, std::uint32_t generation,
                                                            double timeout_s);

} // namespace shadowtune::cli
