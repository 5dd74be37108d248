#pragma once

// Why talking to the VMM did not work. The message is one line for people: what failed, where, and the mend.

#include <cstdint>
#include <string>

namespace shadowtune::link {

enum class LinkErrorKind : std::uint8_t {
    bad_address,   // the address names no link: wrong form, a plain file, no permission
    no_connection, // nobody was there until the deadline
    timed_out,     // somebody was there, but no answer came until the deadline
    stopped,       // the stop flag was set
    incompatible,  // the VMM is of another build: protocol or catalogue differ
    refused,       // the VMM answered that it will not do it
    inconsistent,  // the VMM's counts contradict each other or went back
};

struct LinkError {
    LinkErrorKind kind{};
    std::string message;
};

} // namespace shadowtune::link
