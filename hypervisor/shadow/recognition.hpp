#pragma once

// What L1 does before L2 runs for the first time. Nobody watches it: the counters' cells are given out on
// first touch, and until L2 has run all of them are of no round trip, so that their order is the order of
// L1's first accesses. The vCPU that enters L2 first takes it from there, once.

#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/shadow/counters.hpp"
#include "link/messages.hpp"
#include "link/recognition_messages.hpp"
#include "vmcs/fingerprint.hpp"

#include <atomic>
#include <span>

namespace shadowtune::shadow {

// One vCPU's counters, and how many of their cells have been looked at.
struct CountersCursor {
    const AccessCounters* counters{nullptr};
    std::size_t next{0};
};

// Adds the accesses of all vCPUs, whose counters share a clock, in the order of time: L1's thread may move
// from one to another and back with its VMCS.
void add_first_accesses(vmcs::Fingerprint& fingerprint, std::span<CountersCursor> vcpus);

// Of the VMCS whose values these are.
[[nodiscard]] vmcs::LaunchControls launch_controls(const nested::Vmcs12Values& vmcs12);

// The machine's one recognition. A single processor, the one that gets true from claim(), writes, here and to
// the library; who reads asks state() first.
class Recognition {
public:
    [[nodiscard]] bool is_settled() const {
        const std::uint8_t state{m_state.load(std::memory_order_relaxed)};
        return state != awaited && state != claimed;
    }
    // False where it is settled, or claimed by another.
    [[nodiscard]] bool claim() {
        std::uint8_t expected{awaited};
        return m_state.compare_exchange_strong(expected, claimed);
    }
    [[nodiscard]] vmcs::Fingerprint& fingerprint() { return m_fingerprint; }
    [[nodiscard]] link::RecognitionOutcome& outcome() { return m_outcome; }
    // After claim(), or before any vCPU runs; `seen`: fingerprint() and outcome() are complete.
    void settle(link::RecognitionState state) {
        m_state.store(static_cast<std::uint8_t>(state), std::memory_order_release);
    }

    [[nodiscard]] link::RecognitionState state() const {
        const std::uint8_t state{m_state.load(std::memory_order_acquire)};
        return state == claimed ? link::RecognitionState::awaited
                                : static_cast<link::RecognitionState>(state);
    }
    // Both good where state() is `seen`.
    [[nodiscard]] const vmcs::Fingerprint& fingerprint() const { return m_fingerprint; }
    [[nodiscard]] const link::RecognitionOutcome& outcome() const { return m_outcome; }

private:
    static constexpr auto awaited{static_cast<std::uint8_t>(link::RecognitionState::awaited)};
    static constexpr std::uint8_t claimed{0xFF}; // and not settled

    std::atomic<std::uint8_t> m_state{awaited};
    vmcs::Fingerprint m_fingerprint{};
    link::RecognitionOutcome m_outcome{};
};

} // namespace shadowtune::shadow
