#pragma once

// Bytes to and from the VMM, over a line that may be cut at any moment and comes back by itself.

#include "link/host/address.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace shadowtune::link {

using Clock = std::chrono::steady_clock;

struct TransportOptions {
    // Between two attempts to connect: begins here and doubles, begins anew once bytes have come.
    std::chrono::milliseconds shortest_backoff{20};
    std::chrono::milliseconds longest_backoff{500};
    // At most `burst` bytes are sent every `burst_gap`, for a UART whose receiver is read seldom. 0: no
    // limit.
    std::size_t burst{0};
    std::chrono::milliseconds burst_gap{2};
};

class Transport {
public:
    explicit Transport(Address address, TransportOptions options = {});

    // One turn: connects where there is no connection, sends what is queued, and waits at most until `until`
    // for bytes. Returns their number; 0 also where a signal came, the connection was made or cut. A cut is
    // no error: the next turns connect again. Error: bad_address.
    [[nodiscard]] Result<std::size_t, LinkError> turn(std::span<std::uint8_t> in, Clock::time_point until);

    // Bytes to send, in order. Dropped where no connection is there, and when it is cut.
    void queue(std::span<const std::uint8_t> bytes);
    // Cuts the connection.
    void cut(std::string why);

    [[nodiscard]] bool connected() const { return m_fd && !m_pending; }
    // Connections made so far: a change means that what was sent and half received before is lost.
    [[nodiscard]] std::uint64_t connections() const { return m_connections; }
    [[nodiscard]] const Address& address() const { return m_address; }
    // Why there is no connection, as far as known.
    [[nodiscard]] const std::string& trouble() const { return m_trouble; }

private:
    [[nodiscard]] Result<void, LinkError> connect(Clock::time_point until);
    [[nodiscard]] bool wait(short events, Clock::time_point until, short& happened) const;
    void connected_now();
    void send_queued();
    [[nodiscard]] std::size_t receive(std::span<std::uint8_t> in);

    Address m_address;
    TransportOptions m_options;
    UniqueFd m_fd;
    bool m_pending{false};
    bool m_terminal{false};
    std::uint64_t m_attempts{0};
    std::uint64_t m_connections{0};
    std::chrono::milliseconds m_backoff{};
    Clock::time_point m_next_attempt{};
    Clock::time_point m_next_burst{};
    std::vector<std::uint8_t> m_queue;
    std::string m_trouble;
};

} // namespace shadowtune::link
