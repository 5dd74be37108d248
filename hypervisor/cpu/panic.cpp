#include "hypervisor/cpu/panic.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"

#include <atomic>

namespace shadowtune::cpu {

namespace {

LastAct last_act{LastAct::halt};
std::atomic<std::uint32_t> running{0};
// A processor in L1 comes to L0 within a millisecond by L0's timer; one that does not come stopped of itself.
constexpr std::uint64_t longest_wait_for_others{100'000'000};
constexpr std::uint16_t debug_port{0xE9};
// Bochs ends the emulation when it reads this word on its shutdown port.
constexpr std::uint16_t bochs_shutdown_port{0x8900};
constexpr char bochs_shutdown_word[]{"Shutdown"};

// The VGA text screen: 80 columns, 25 rows, two bytes a cell. L0 writes there from the top, over what was
// shown.
void screen_write(char c) {
    constexpr std::uint64_t vga_text{0xB8000};
    constexpr unsigned columns{80}, rows{25};
    constexpr std::uint16_t white_on_black{0x0F00};
    static unsigned place{0};
    if (c == '\n') {
        place += columns - place % columns;
    } else {
        auto* const cell{reinterpret_cast<volatile std::uint16_t*>(vga_text) + place++};
        *cell = static_cast<std::uint16_t>(white_on_black | static_cast<std::uint8_t>(c));
    }
    place %= columns * rows;
}

} // namespace

std::atomic<const Processor*> detail::speaker{nullptr};

void set_last_act(LastAct act) {
    last_act = act;
}

void console_write(const char* text) {
    for (; *text != '\0'; ++text) {
        out8(debug_port, static_cast<std::uint8_t>(*text));
        screen_write(*text);
    }
}

void console_write_hex(std::uint64_t value) {
    char digits[19]{"0x"};
    for (unsigned i{0}; i < 16; ++i) {
        digits[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 0xF];
    }
    console_write(digits);
}

void begin_last_words() {
    const Processor* nobody{nullptr};
    const Processor* const self{&this_processor()};
    const bool first{detail::speaker.compare_exchange_strong(nobody, self)};
    if (!first && nobody != self) stop_here();
    if (!first) return;
    leave_running();
    const std::uint64_t start{rdtsc()};
    while (running.load() != 0 && rdtsc() - start < longest_wait_for_others)
        asm volatile("pause");
}

void stop_here() {
    leave_running();
    halt_forever();
}

void join_running() {
    running.fetch_add(1);
}

void leave_running() {
    running.fetch_sub(1);
}

void end_machine() {
    if (last_act == LastAct::bochs_power_off) {
        for (const char* c{bochs_shutdown_word}; *c != '\0'; ++c) {
            out8(bochs_shutdown_port, static_cast<std::uint8_t>(*c));
        }
    }
    halt_forever();
}

void cannot_start(const char* reason_and_mend) {
    begin_last_words();
    console_write("shadowtune: cannot start: ");
    console_write(reason_and_mend);
    console_write("\n");
    end_machine();
}

void panic(const char* what, std::uint64_t number) {
    begin_last_words();
    console_write("shadowtune: L0 stopped: ");
    console_write(what);
    console_write(" (");
    console_write_hex(number);
    console_write(")\n");
    end_machine();
}

void panic_exception(const ExceptionFrame& frame) {
    begin_last_words();
    console_write("shadowtune: L0 stopped: exception ");
    console_write_hex(frame.vector);
    console_write(" error ");
    console_write_hex(frame.error_code);
    console_write(" at ");
    console_write_hex(frame.rip);
    console_write(" rsp ");
    console_write_hex(frame.rsp);
    console_write(" cr2 ");
    console_write_hex(read_cr2());
    console_write("\n");
    end_machine();
}

} // namespace shadowtune::cpu
