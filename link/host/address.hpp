#pragma once

// Where the VMM's serial port comes out on the host, and how to open it.

#include "link/host/error.hpp"
#include "link/host/unique_fd.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace shadowtune::link {

// "tcp:HOST:PORT" (HOST may be an IPv6 address in brackets), or a path: of a Unix socket (the lab), of a tty
// (a real machine; set to 115200 baud, 8N1, raw, no flow control) or of a pty. What a path is, is seen at
// each opening.
struct Address {
    std::string text; // as given, for error lines
    bool tcp{false};
    std::string path; // where !tcp
    std::string host; // where tcp
    std::string port;
};

// Error: bad_address. Touches neither files nor network.
[[nodiscard]] Result<Address, LinkError> parse_address(std::string_view text);

// An attempt to open. `pending`: a TCP connection on its way, decided when the descriptor becomes writable.
struct Opening {
    UniqueFd fd;
    bool pending{false};
    bool terminal{false};
};

// Does not block, except for the resolution of a host name. `attempt` counts from 0 and picks, in turn, among
// the addresses of a host. Errors: no_connection (worth another try), bad_address (not).
[[nodiscard]] Result<Opening, LinkError> open_address(const Address& address, std::uint64_t attempt);

// What became of a pending connection whose descriptor is writable now. Error: no_connection.
[[nodiscard]] Result<void, LinkError> finish_opening(const Address& address, const UniqueFd& fd);

} // namespace shadowtune::link
