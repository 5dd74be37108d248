#pragma once

// When is a workload over? Once L1 has done round trips and then none for a while.

#include <chrono>
#include <cstdint>
#include <optional>

namespace shadowtune::cli {

class Quiet {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit Quiet(double seconds) : m_seconds{seconds} {}

    // To be asked at each snapshot, with the round trips since power-on. Never true before the first round
    // trip that was seen to happen: a workload that has not begun is not over.
    [[nodiscard]] bool reached(std::uint64_t round_trips, Time now) {
        if (!m_first) m_first = round_trips;
        if (round_trips != m_last) m_since = now;
        m_last = round_trips;
        return round_trips != *m_first && std::chrono::duration<double>{now - m_since}.count() >= m_seconds;
    }

private:
    double m_seconds;
    std::optional<std::uint64_t> m_first;
    std::uint64_t m_last{0};
    Time m_since{};
};

} // namespace shadowtune::cli
