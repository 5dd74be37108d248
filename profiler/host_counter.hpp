#pragma once

// What the Linux kernel counts of this thread (perf_event_open), by libpfm4's names of events.

#include "link/host/unique_fd.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace shadowtune::profiler {

// perf_event_attr's type and config (perf_event_open(2)).
struct EncodedEvent {
    std::uint32_t type{0};
    std::uint64_t config{0};
};

// "cycles", "instructions", "perf::TASK-CLOCK", or any other of libpfm4's events that this processor has.
// Error: one line.
[[nodiscard]] Result<EncodedEvent, std::string> encode_event(const std::string& name);

class HostCounter {
public:
    HostCounter() = default;
    // Counts from now on: user space, kernel, and guests that the thread runs. Error: one line with the mend.
    [[nodiscard]] static Result<HostCounter, std::string> open(const std::string& event, std::string unit);

    [[nodiscard]] std::uint64_t read() const;
    [[nodiscard]] const std::string& unit() const { return m_unit; } // cycles, instructions, nanoseconds

private:
    link::UniqueFd m_fd;
    std::string m_unit;
};

struct HostCounters {
    std::vector<HostCounter> counters; // cycles and instructions, or one software clock
    std::string trouble;               // why it is the clock; empty where it is not
};

// Cycles and instructions; where the machine or its kernel counts none, the thread's clock. Error: not even
// that.
[[nodiscard]] Result<HostCounters, std::string> open_host_counters();

} // namespace shadowtune::profiler
