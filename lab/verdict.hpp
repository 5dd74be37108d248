// Why a Bochs ended, from what it said on standard error and to its log.
#pragma once

#include "lab/exit_codes.hpp"

#include <string>
#include <string_view>

namespace shadowtune::lab {

struct Verdict {
    ExitCode code = ExitCode::emulator_panic;
    std::string reason; // one line for a person
};

// `standard_error` is Bochs's; `wait_status` as waitpid gives it. Knows Bochs 2.7's two ways of a power-off:
// the ACPI controller's soft power off (S5), and the string "Shutdown" written to port 0x8900. Both end Bochs
// with status 1 and a message, as a panic does: only the message tells them apart.
[[nodiscard]] Verdict verdict_of(std::string_view standard_error, int wait_status);

// Whether the log tells of a reset of the running machine (the first reset, at power-on, is none).
[[nodiscard]] bool tells_of_reset(std::string_view log_line);

} // namespace shadowtune::lab
