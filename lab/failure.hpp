// The one exception of the lab: a message for a person, and the exit code that goes with it.
#pragma once

#include "lab/exit_codes.hpp"

#include <stdexcept>
#include <string>

namespace shadowtune::lab {

class Failure : public std::runtime_error {
public:
    // `message` is one line: what failed, where, and the mend.
    Failure(ExitCode code, const std::string& message) : std::runtime_error{message}, code_{code} {}
    [[nodiscard]] ExitCode code() const { return code_; }

private:
    ExitCode code_;
};

// A Failure for a refused system call: appends errno's text.
[[nodiscard]] Failure system_failure(const std::string& what);

} // namespace shadowtune::lab
