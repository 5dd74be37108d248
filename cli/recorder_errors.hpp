#pragma once

// The exit codes that go with a recorder's failures.

#include "cli/console.hpp"
#include "profiler/recorder.hpp"

namespace shadowtune::cli {

// Of a file that is written to: what keeps it from being written is an output that failed.
[[nodiscard]] CliError to_cli_error(const db::Error& error);
[[nodiscard]] CliError to_cli_error(const profiler::RecorderError& error);

} // namespace shadowtune::cli
