// Damages a stream of zero-terminated frames on purpose, for tests of the link.
#pragma once

#include "lab/options.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace shadowtune::lab {

// One direction of the link. The same seed and the same stream give the same faults, however the stream is
// cut into calls. Without faults (one_in = 0) bytes pass at once; with them a frame waits for its end.
class FaultInjector {
public:
    explicit FaultInjector(LinkFaults faults) : faults_{faults}, state_{faults.seed} {}

    // Appends to `out` what is left of `in` and of what waited.
    void pass(std::span<const std::uint8_t> in, std::vector<std::uint8_t>& out);

    // Forgets a half frame, for when the sender went away in the middle of it.
    void reset() { frame_.clear(); }

    struct Counts {
        std::uint64_t frames = 0;
        std::uint64_t corrupted = 0;
        std::uint64_t dropped = 0;
        std::uint64_t doubled = 0;
        [[nodiscard]] std::uint64_t faults() const { return corrupted + dropped + doubled; }
    };
    [[nodiscard]] const Counts& counts() const { return counts_; }

private:
    // A stream that never sends a zero must not fill the memory: it passes in pieces of this many bytes.
    static constexpr std::size_t longest_frame = 64 * 1024;

    void end_frame(std::vector<std::uint8_t>& out);
    [[nodiscard]] std::uint64_t next_random();

    LinkFaults faults_;
    std::uint64_t state_;
    std::vector<std::uint8_t> frame_;
    Counts counts_;
};

} // namespace shadowtune::lab
