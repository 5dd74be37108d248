#include "tests/micro_l1/console.hpp"

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/second_processor.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint16_t com1{0x3F8};
constexpr std::uint16_t line_status{com1 + 5};
constexpr std::uint8_t data_ready{0x01};
constexpr std::uint8_t holding_empty{0x20};
constexpr std::uint8_t all_sent{0x40};
constexpr std::uint16_t debug_port{0xE9};
constexpr std::uint16_t shutdown_port{0x8900};

Output g_output{Output::com1};
char g_line[512];

void put(char c) {
    if (g_output != Output::com1) out8(debug_port, static_cast<std::uint8_t>(c));
    if (g_output == Output::port_e9) return;
    while ((in8(line_status) & holding_empty) == 0) {
    }
    out8(com1, static_cast<std::uint8_t>(c));
}

} // namespace

void console_init() {
    out8(com1 + 1, 0x00); // no interrupts: everything is polled
    out8(com1 + 3, 0x80);
    out8(com1 + 0, 0x01); // 115200 baud
    out8(com1 + 1, 0x00);
    out8(com1 + 3, 0x03); // 8N1
    out8(com1 + 2, 0x07); // FIFOs on and empty
    out8(com1 + 4, 0x03); // DTR, RTS
}

void console_output(Output output) {
    g_output = output;
}

void print(std::string_view text) {
    for (const char c : text)
        put(c);
}

void print(std::uint64_t value) {
    char digits[20];
    std::size_t used{0};
    do {
        digits[used++] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (used != 0)
        put(digits[--used]);
}

void print(Hex number) {
    print("0x");
    int shift{60};
    while (shift > 0 && (number.value >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put("0123456789abcdef"[(number.value >> shift) & 0xFU]);
}

void open_line() {
    begin_line();
    if (is_second_processor()) print("P1 ");
}

void close_line() {
    print("\n");
    end_line();
}

bool input_waiting() {
    if (is_second_processor()) return is_handed_on();
    return (in8(line_status) & data_ready) != 0;
}

std::string_view read_line() {
    if (is_second_processor()) return {g_line, take_handed_on(g_line, sizeof(g_line))};
    std::size_t used{0};
    for (;;) {
        while (!input_waiting())
            asm volatile("pause");
        const char c{static_cast<char>(in8(com1))};
        if (c == '\r' || c == '\n') {
            // CR LF is one line end, and empty lines say nothing.
            if (used == 0) continue;
            hand_on({g_line, used});
            return {g_line, used};
        }
        if (used < sizeof(g_line)) g_line[used++] = c;
    }
}

void power_off() {
    // The emulator drops what its UART still holds when the power goes.
    while ((in8(line_status) & all_sent) == 0) {
    }
    for (unsigned wait{0}; wait < 20000; ++wait)
        asm volatile("pause");
    for (const char c : std::string_view{"Shutdown"})
        out8(shutdown_port, static_cast<std::uint8_t>(c));
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace shadowtune::micro_l1
