#pragma once

// SplitMix64 (G. Steele, D. Lea, C. Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014):
// one word of state, every seed is good, and a run is repeated by its seed.

#include <cstdint>

namespace shadowtune::micro_l1 {

class Prng {
public:
    explicit constexpr Prng(std::uint64_t seed) : m_state{seed} {}

    constexpr std::uint64_t next() {
        m_state += 0x9E3779B97F4A7C15U;
        std::uint64_t z{m_state};
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }

    // 0 to bound - 1. The bias is below 2^-32 for the small bounds used here.
    constexpr std::uint64_t below(std::uint64_t bound) { return (next() >> 32) * bound >> 32; }
    constexpr bool one_in(std::uint64_t n) { return below(n) == 0; }

private:
    std::uint64_t m_state;
};

} // namespace shadowtune::micro_l1
