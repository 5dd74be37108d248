#include "lab/link_relay.hpp"

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <sys/socket.h>

namespace shadowtune::lab {
namespace {

// The two directions must not suffer in step.
[[nodiscard]] LinkFaults other_direction(LinkFaults faults) {
    faults.seed ^= 0x5DEECE66D0F1A2B3U;
    return faults;
}

[[nodiscard]] bool is_ready(const std::vector<pollfd>& polled, int fd, int events) {
    for (const auto& entry : polled) {
        if (entry.fd == fd && fd >= 0 && (entry.revents & (events | POLLHUP | POLLERR)) != 0) return true;
    }
    return false;
}

enum class Io { ok, again, closed };

// Writes what it can from the front of `buffer`.
[[nodiscard]] Io send_some(int fd, std::vector<std::uint8_t>& buffer) {
    const auto sent = ::send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? Io::again : Io::closed;
    buffer.erase(buffer.begin(), buffer.begin() + sent);
    return Io::ok;
}

} // namespace

LinkRelay::LinkRelay(const std::filesystem::path& socket, LinkFaults faults)
    : listener_{socket}, from_vmm_{faults}, to_vmm_{other_direction(faults)} {}

void LinkRelay::add_to(std::vector<pollfd>& polled) const {
    polled.push_back({listener_.get(), POLLIN, 0});
    const auto events = [](bool read, bool write) {
        return static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
    };
    // COM2 is always read: a byte that nobody wants is dropped here, for inside Bochs it would stop the
    // machine.
    if (machine_.valid()) polled.push_back({machine_.get(), events(true, !for_machine_.empty()), 0});
    if (client_.valid()) {
        polled.push_back(
            {client_.get(), events(for_machine_.size() < machine_backlog, !for_client_.empty()), 0});
    }
}

void LinkRelay::handle(const std::vector<pollfd>& polled) {
    const int old_client = client_.get();
    if (is_ready(polled, machine_.get(), POLLIN)) read_machine();
    if (is_ready(polled, old_client, POLLIN) && client_.valid()) read_client();
    if (is_ready(polled, listener_.get(), POLLIN)) accept_client();
    // Writing is tried without asking: most of the time there is room, and it saves one turn of the loop.
    if (machine_.valid() && !for_machine_.empty()) write_machine();
    if (client_.valid() && !for_client_.empty()) write_client();
}

void LinkRelay::accept_client() {
    auto next = accept_connection(listener_.get());
    if (!next.valid()) return;
    drop_client();
    client_ = std::move(next);
}

void LinkRelay::drop_client() {
    client_.reset();
    for_client_.clear();
    to_vmm_.reset();
    // The old client may have been cut in the middle of a frame: end it, so that the next client's first
    // frame counts.
    if (!between_frames_) {
        for_machine_.push_back(0);
        between_frames_ = true;
    }
}

void LinkRelay::read_machine() {
    std::array<std::uint8_t, 4096> bytes;
    const auto got = ::recv(machine_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        machine_.reset();
        return;
    }
    acknowledge_at_once(machine_.get());
    const auto count = static_cast<std::size_t>(got);
    if (!client_.valid()) return;
    if (for_client_.size() > client_backlog) {
        dropped_bytes_ += count;
        return;
    }
    from_vmm_.pass({bytes.data(), count}, for_client_);
}

void LinkRelay::read_client() {
    if (for_machine_.size() >= machine_backlog) return;
    std::array<std::uint8_t, 1024> bytes;
    const auto got = ::recv(client_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop_client();
        return;
    }
    const auto before = for_machine_.size();
    to_vmm_.pass({bytes.data(), static_cast<std::size_t>(got)}, for_machine_);
    if (for_machine_.size() > before) between_frames_ = for_machine_.back() == 0;
}

void LinkRelay::write_machine() {
    if (send_some(machine_.get(), for_machine_) == Io::closed) machine_.reset();
}

void LinkRelay::write_client() {
    if (send_some(client_.get(), for_client_) == Io::closed) drop_client();
}

std::string LinkRelay::summary() const {
    std::string text;
    const auto& down = from_vmm_.counts();
    const auto& up = to_vmm_.counts();
    if (down.frames + up.frames > 0) {
        text =
            fmt::format("link faults: {} of {} frames from the VMM ({} corrupted, {} dropped, {} doubled), "
                        "{} of {} to it ({} corrupted, {} dropped, {} doubled)",
                        down.faults(), down.frames, down.corrupted, down.dropped, down.doubled, up.faults(),
                        up.frames, up.corrupted, up.dropped, up.doubled);
    }
    if (dropped_bytes_ > 0) {
        text += fmt::format("{}link: {} bytes dropped for a tool that did not read them",
                            text.empty() ? "" : "; ", dropped_bytes_);
    }
    return text;
}

} // namespace shadowtune::lab
