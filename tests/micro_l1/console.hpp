#pragma once

// Text out over COM1 or port E9H, lines in over COM1. Every result is one line, made to be read by programs.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::micro_l1 {

enum class Output : std::uint8_t { com1, port_e9, both };

struct Hex {
    std::uint64_t value;
};
[[nodiscard]] constexpr Hex hex(std::uint64_t value) {
    return {value};
}

void console_init();
// Port E9H costs one instruction a byte where the emulator has it, COM1 thousands; COM1 is everywhere.
void console_output(Output output);

void print(std::string_view text);
void print(std::uint64_t value);
void print(Hex value); // 0x and lower-case digits, no leading zeros

inline void print(const char* text) {
    print(std::string_view{text});
}
inline void print(int value) {
    print(static_cast<std::uint64_t>(value));
}
inline void print(std::uint32_t value) {
    print(std::uint64_t{value});
}
inline void print(std::uint16_t value) {
    print(std::uint64_t{value});
}
inline void print(std::uint8_t value) {
    print(std::uint64_t{value});
}

// A line is whole whatever the other processor prints; the second processor's begin with "P1 ".
void open_line();
void close_line();

template <typename... Parts>
void print_line(Parts... parts) {
    open_line();
    (print(parts), ...);
    close_line();
}

// Waits for a whole line on COM1; the line end is cut off, overlong lines are cut to what fits. The second
// processor gets the lines that the first has read.
[[nodiscard]] std::string_view read_line();
// Whether a byte waits: one port read, for loops that must not slow down.
[[nodiscard]] bool input_waiting();

// Waits until COM1 has sent its last bit: an emulator that stops drops what its UART still holds.
void drain_output();
// Drains the UART and powers the machine off where the emulator can; halts where it cannot.
[[noreturn]] void power_off();

} // namespace shadowtune::micro_l1
