#pragma once

// Which round trips are sampled in mode sample: each by a draw of its own, so that no period of L1's or L2's
// stays in step with the choice.

#include <cstdint>

namespace shadowtune::shadow {

class Sampler {
public:
    // Any seed; vCPUs are to have different ones.
    constexpr explicit Sampler(std::uint64_t seed) : m_state{seed ^ 0x9E37'79B9'7F4A'7C15} {}

    // True for one of `interval` draws in the mean, off by less than interval / 2^32 of that. interval >= 1.
    [[nodiscard]] constexpr bool draw(std::uint32_t interval) { return next() * interval >> 32 == 0; }

private:
    // SplitMix64 (Steele, Lea, Flood 2014), its upper half.
    [[nodiscard]] constexpr std::uint64_t next() {
        m_state += 0x9E37'79B9'7F4A'7C15;
        std::uint64_t mixed{m_state};
        mixed = (mixed ^ mixed >> 30) * 0xBF58'476D'1CE4'E5B9;
        mixed = (mixed ^ mixed >> 27) * 0x94D0'49BB'1331'11EB;
        return (mixed ^ mixed >> 31) >> 32;
    }

    std::uint64_t m_state;
};

} // namespace shadowtune::shadow
