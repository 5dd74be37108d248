#pragma once

// Which round trips are sampled in mode sample: each as if by a draw of its own, so that no period of L1's or
// L2's stays in step with the choice. Drawn is how many are not sampled until the next one that is.

#include <bit>
#include <cstdint>
#include <limits>

namespace shadowtune::shadow {

namespace detail {

// -log2(value / 2^64), times 2^fraction_bits. Each squaring of what is left of the logarithm's argument,
// 1 to 2, moves one bit of it before the point.
inline constexpr unsigned fraction_bits{50};
[[nodiscard]] constexpr std::uint64_t minus_log2(std::uint64_t value) {
    const auto zeros{static_cast<unsigned>(std::countl_zero(value))};
    std::uint64_t rest{value << zeros}; // 2^63 is 1
    std::uint64_t log{0};
    for (unsigned i{0}; i < fraction_bits; ++i) {
        const auto square{static_cast<unsigned __int128>(rest) * rest};
        const auto high{static_cast<std::uint64_t>(square >> 64)};
        const bool two{high >> 63 != 0};
        log = log << 1 | (two ? 1U : 0U);
        rest = two ? high : static_cast<std::uint64_t>(square >> 63);
    }
    return ((zeros + std::uint64_t{1}) << fraction_bits) - log;
}

// The same, off by less than 4 millionths: a straight line between the logarithms of multiples of 1/256.
inline constexpr unsigned table_bits{8};
struct Table {
    std::uint64_t minus_log2[(1U << table_bits) + 1];
};
inline constexpr Table table{[] {
    Table made{};
    constexpr unsigned last{1U << table_bits};
    for (std::uint64_t i{0}; i < last; ++i)
        made.minus_log2[i] = minus_log2(std::uint64_t{1} << 63 | i << (63 - table_bits));
    made.minus_log2[last] = 0;
    return made;
}()};
[[nodiscard]] constexpr std::uint64_t minus_log2_nearly(std::uint64_t value) {
    constexpr unsigned weight_bits{13}; // a step of the table is less than 2^51
    const auto zeros{static_cast<unsigned>(std::countl_zero(value))};
    const std::uint64_t fraction{value << zeros << 1};
    const std::uint64_t* const place{table.minus_log2 + (fraction >> (64 - table_bits))};
    const std::uint64_t weight{fraction << table_bits >> (64 - weight_bits)};
    return (std::uint64_t{zeros} << fraction_bits) + place[0] -
           ((place[0] - place[1]) * weight >> weight_bits);
}

} // namespace detail

class Sampler {
public:
    // Any seed; vCPUs are to have different ones.
    constexpr explicit Sampler(std::uint64_t seed) : m_state{seed ^ 0x9E37'79B9'7F4A'7C15} {}

    // From here on one of `interval` round trips is sampled in the mean, off by less than a
    // hundred-thousandth of that; 0: none.
    constexpr void begin(std::uint16_t interval) {
        // Logarithm of U over that of 1 - 1 / interval, see next_gap().
        const std::uint64_t all{std::numeric_limits<std::uint64_t>::max()};
        m_step = interval <= 1 ? 0 : detail::minus_log2(all - all / interval);
        m_left = interval == 0 ? all : next_gap() + 1;
    }
    // To be asked for each round trip: is it one?
    [[nodiscard]] constexpr bool is_next() {
        if (--m_left != 0) [[likely]]
            return false;
        m_left = next_gap() + 1;
        return true;
    }

private:
    // The gap between independent draws of probability p is geometric: log(U) / log(1 - p), rounded down, for
    // U between 0 and 1.
    [[nodiscard]] constexpr std::uint64_t next_gap() {
        if (m_step == 0) return 0;
        const std::uint64_t drawn{next()};
        return detail::minus_log2_nearly(drawn == 0 ? 1 : drawn) / m_step;
    }

    // SplitMix64 (Steele, Lea, Flood 2014).
    [[nodiscard]] constexpr std::uint64_t next() {
        m_state += 0x9E37'79B9'7F4A'7C15;
        std::uint64_t mixed{m_state};
        mixed = (mixed ^ mixed >> 30) * 0xBF58'476D'1CE4'E5B9;
        mixed = (mixed ^ mixed >> 27) * 0x94D0'49BB'1331'11EB;
        return mixed ^ mixed >> 31;
    }

    std::uint64_t m_state;
    std::uint64_t m_step{0}; // of the logarithm, for each round trip of a gap
    std::uint64_t m_left{
        std::numeric_limits<std::uint64_t>::max()}; // round trips to the next one that is sampled
};

} // namespace shadowtune::shadow
