#include "link/frame.hpp"

#include <array>

namespace shadowtune::link {

namespace {

// One byte at a time through a table that the compiler makes: the SSE4.2 instruction computes the same
// polynomial, but a VMM that asks for it would not start on every processor, and the line is slower than
// either.
[[nodiscard]] constexpr std::array<std::uint32_t, 256> make_table() {
    constexpr std::uint32_t polynomial{0x82F63B78}; // 1EDC6F41H, bits reversed
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte{0}; byte < 256; ++byte) {
        std::uint32_t rest{byte};
        for (int bit{0}; bit < 8; ++bit)
            rest = (rest >> 1) ^ ((rest & 1U) != 0 ? polynomial : 0U);
        table[byte] = rest;
    }
    return table;
}

constexpr auto table{make_table()};

} // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t before) {
    std::uint32_t state{~before};
    for (const std::uint8_t byte : bytes)
        state = (state >> 8) ^ table[(state ^ byte) & 0xFFU];
    return ~state;
}

} // namespace shadowtune::link
