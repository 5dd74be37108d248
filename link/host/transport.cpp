#include "link/host/transport.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

namespace shadowtune::link {

namespace {

// A peer that never reads must not make us hold its bytes for ever; commands are some hundred bytes.
constexpr std::size_t most_queued{64 * 1024};

[[nodiscard]] bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

} // namespace

Transport::Transport(Address address, TransportOptions options)
    : m_address{std::move(address)}, m_options{options}, m_backoff{options.shortest_backoff} {}

Result<std::size_t, LinkError> Transport::turn(std::span<std::uint8_t> in, Clock::time_point until) {
    if (!connected()) {
        const auto made{connect(until)};
        if (!made) return Failure{made.error()};
        return std::size_t{0};
    }
    send_queued();
    if (!connected()) return std::size_t{0};
    short events{POLLIN};
    if (!m_queue.empty()) {
        if (m_options.burst == 0) {
            events |= POLLOUT;
        } else {
            until = std::min(until, m_next_burst);
        }
    }
    short happened{0};
    if (!wait(events, until, happened)) return std::size_t{0};
    if ((happened & POLLNVAL) != 0) {
        cut("the descriptor is gone");
        return std::size_t{0};
    }
    // POLLHUP may come together with the last bytes: they are read first, and the end shows as a read of
    // nothing.
    if ((happened & (POLLIN | POLLHUP | POLLERR)) != 0) return receive(in);
    return std::size_t{0};
}

void Transport::queue(std::span<const std::uint8_t> bytes) {
    if (!connected()) return;
    if (m_queue.size() + bytes.size() > most_queued) return cut("the other end does not read");
    m_queue.insert(m_queue.end(), bytes.begin(), bytes.end());
}

void Transport::cut(std::string why) {
    m_fd.reset();
    m_pending = false;
    m_queue.clear();
    m_trouble = std::move(why);
    m_next_attempt = Clock::now() + m_backoff;
    m_backoff = std::min(2 * m_backoff, m_options.longest_backoff);
}

Result<void, LinkError> Transport::connect(Clock::time_point until) {
    if (!m_fd) {
        if (const auto now{Clock::now()}; now < m_next_attempt) {
            // poll() rather than a sleep, so that a signal (Ctrl-C) ends the wait.
            short happened{0};
            static_cast<void>(wait(0, std::min(until, m_next_attempt), happened));
            return {};
        }
        auto opening{open_address(m_address, m_attempts++)};
        if (!opening) {
            cut(opening.error().message);
            if (opening.error().kind == LinkErrorKind::bad_address) return Failure{opening.error()};
            return {};
        }
        m_fd = std::move(opening.value().fd);
        m_pending = opening.value().pending;
        m_terminal = opening.value().terminal;
        if (!m_pending) connected_now();
        return {};
    }
    short happened{0};
    if (!wait(POLLOUT, until, happened)) return {};
    if (const auto made{finish_opening(m_address, m_fd)}; !made) {
        cut(made.error().message);
        return {};
    }
    m_pending = false;
    connected_now();
    return {};
}

void Transport::connected_now() {
    ++m_connections;
    m_queue.clear();
    m_next_burst = {};
}

bool Transport::wait(short events, Clock::time_point until, short& happened) const {
    const auto left{std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count()};
    pollfd entry{m_fd.get(), events, 0};
    const int ready{
        ::poll(&entry, m_fd ? 1 : 0, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)))};
    happened = entry.revents;
    return ready > 0;
}

void Transport::send_queued() {
    if (m_queue.empty()) return;
    std::size_t most{m_queue.size()};
    if (m_options.burst != 0) {
        if (Clock::now() < m_next_burst) return;
        most = std::min(most, m_options.burst);
    }
    // A socket whose peer is gone would raise SIGPIPE on write(); a tty knows no send().
    const ssize_t sent{m_terminal ? ::write(m_fd.get(), m_queue.data(), most)
                                  : ::send(m_fd.get(), m_queue.data(), most, MSG_NOSIGNAL)};
    if (sent < 0) {
        if (!would_block(errno)) cut(std::string{"cannot send: "} + std::strerror(errno));
        return;
    }
    m_queue.erase(m_queue.begin(), m_queue.begin() + sent);
    if (m_options.burst != 0) m_next_burst = Clock::now() + m_options.burst_gap;
}

std::size_t Transport::receive(std::span<std::uint8_t> in) {
    const ssize_t got{::read(m_fd.get(), in.data(), in.size())};
    if (got > 0) {
        m_backoff = m_options.shortest_backoff;
        m_trouble.clear();
        return static_cast<std::size_t>(got);
    }
    if (got < 0 && would_block(errno)) return 0;
    // EIO is how a pty says that its other end closed.
    cut(got == 0 || errno == EIO ? "the other end closed"
                                 : std::string{"cannot read: "} + std::strerror(errno));
    return 0;
}

} // namespace shadowtune::link
