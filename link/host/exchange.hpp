#pragma once

// What Session knows of one command between its first sending and its answer. Internal to Session.

#include "link/host/session.hpp"

#include <vector>

namespace shadowtune::link {

// What a command of one record sends.
template <typename Record>
[[nodiscard]] std::vector<std::uint8_t> bytes_of(const Record& record) {
    const auto* first{reinterpret_cast<const std::uint8_t*>(&record)};
    return {first, first + sizeof(record)};
}

struct Session::Exchange {
    std::string_view what; // for error lines: "a snapshot"
    MessageType command{};
    Clock::time_point deadline{};
    // The bytes to send under this id.
    std::function<std::vector<std::uint8_t>(std::uint32_t id)> payload{};
    // Looks at every frame of the greeted VMM that is neither greeting nor log line.
    std::function<Progress(const Frame&, std::uint32_t id)> take{};
    // The line or the VMM is another one now: forget what came so far.
    std::function<void()> forget{};
    bool fresh_id{false}; // a new id for each sending, instead of the same

    std::uint32_t id{0};
    bool done{false};
    bool sent{false};                    // what is due now, greeting or command, is on its way
    std::uint64_t sendings{0};           // of the command
    std::uint64_t greetings{0};          // of the request for a greeting in front of it
    std::chrono::milliseconds silence{}; // the next one that counts as a loss
    Clock::time_point last_sent{};
    Clock::time_point last_progress{};
    Clock::time_point not_before{}; // the VMM was busy

    [[nodiscard]] bool wants_hello() const { return command == MessageType::hello_request; }
};

} // namespace shadowtune::link
