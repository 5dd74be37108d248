// A dom0 of a few pages: starts one domain, tells how it ended, and powers the machine off.
// Its command line: trips=N, the round trips that the domain makes; wait=1, to wait for a byte on COM1 before
// the machine is powered off.

#include "lab/xen/domain_builder.hpp"
#include "lab/xen/interface.hpp"

#include <string_view>

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

void print(std::string_view text) {
    hypercall(call::console, console_write, text.size(), reinterpret_cast<unsigned long>(text.data()));
}

void print_number(unsigned long number) {
    char digits[20];
    unsigned at{sizeof(digits)};
    do {
        digits[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    print({digits + at, sizeof(digits) - at});
}

void print_refusal(const Refusal& refusal) {
    print("dom0: Xen refuses "sv);
    print(refusal.step);
    print(", error "sv);
    print_number(static_cast<unsigned long>(-refusal.error));
    print("\n"sv);
}

// The number behind `word` on a command line that ends with a zero, or `otherwise`.
[[nodiscard]] std::uint32_t number_of(const char* line, std::string_view word, std::uint32_t otherwise) {
    std::size_t matched{0};
    for (; *line != '\0' && matched < word.size(); ++line)
        matched = *line == word[matched] ? matched + 1 : 0;
    if (matched < word.size()) return otherwise;
    std::uint32_t number{0};
    for (; *line >= '0' && *line <= '9'; ++line)
        number = number * 10 + static_cast<std::uint32_t>(*line - '0');
    return number;
}

void write_port(std::uint16_t port, std::uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

[[nodiscard]] std::uint8_t read_port(std::uint16_t port) {
    std::uint8_t value{};
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void open_ports() {
    const std::uint32_t io_privilege{1};
    hypercall(call::physical_devices, set_iopl, reinterpret_cast<unsigned long>(&io_privilege));
}

// The port as nobody has used it before: 115200 8N1, no FIFOs, no interrupts.
void wait_for_input() {
    constexpr std::uint16_t com1{0x3F8}, com1_interrupts{0x3F9}, com1_fifo{0x3FA}, com1_line{0x3FB},
        com1_modem{0x3FC}, com1_line_status{0x3FD};
    constexpr std::uint8_t divisor_latch{0x80}, eight_bits{3}, ready{3}, data_ready{1};
    write_port(com1_line, divisor_latch);
    write_port(com1, 1);
    write_port(com1_interrupts, 0);
    write_port(com1_line, eight_bits);
    write_port(com1_interrupts, 0);
    write_port(com1_fifo, 0);
    write_port(com1_modem, ready);
    while ((read_port(com1_line_status) & data_ready) == 0)
        hypercall(call::scheduler, scheduler_yield);
}

// The lab's machine is switched off by a word at this port (bochs, unmapped.cc's port of that name).
[[noreturn]] void power_off() {
    for (const char c : "Shutdown"sv)
        write_port(0x8900, static_cast<std::uint8_t>(c));
    for (;;)
        hypercall(call::scheduler, scheduler_yield);
}

} // namespace

extern "C" [[noreturn]] void dom0_main(const StartInfo& information) {
    constexpr std::uint32_t default_round_trips{7000};
    print("dom0: begins\n"sv);
    std::uint16_t domain{0};
    unsigned reason{0};
    Refusal refusal{
        start_domain(number_of(information.command_line, "trips="sv, default_round_trips), domain)};
    if (refusal.step.empty()) refusal = wait_for_end(domain, reason);
    if (!refusal.step.empty()) {
        print_refusal(refusal);
    } else {
        print("dom0: the domain has shut down, reason "sv);
        print_number(reason);
        print(", result="sv);
        print_number(result_of_domain());
        print("\n"sv);
    }
    open_ports();
    if (number_of(information.command_line, "wait="sv, 0) != 0) wait_for_input();
    power_off();
}

} // namespace shadowtune::xen
