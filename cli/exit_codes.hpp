#pragma once

// Exit codes of every verb but `lab run`, which has more to tell and its own list (lab/exit_codes.hpp).
// Scripts rely on the numbers: never renumber. docs/cli.md lists both.

namespace shadowtune::cli {

enum class ExitCode : int {
    ok = 0,
    differs = 1,   // the answer is no: what was compared or asked for is not so
    usage = 2,     // an option is missing, malformed, or does not go with another
    bad_input = 3, // a database or profile is missing, malformed, of another version, or lacks what is needed
    unreachable = 4,     // the VMM did not answer: no link, no machine, cut for too long
    refused = 5,         // L0 answered and said no; the old bitmaps stay in force
    missing_package = 6, // a program or file that a verb needs is not installed
    output_failed = 7,   // a result could not be written: permission, disk full
    internal = 8,        // a mistake of shadowtune's own
    interrupted = 130,   // Ctrl-C before the verb was done; 128 + SIGINT, as shells have it
};

[[nodiscard]] constexpr int to_int(ExitCode code) {
    return static_cast<int>(code);
}

} // namespace shadowtune::cli
