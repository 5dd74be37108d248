// A dom0 of a few pages: starts one domain, tells how it ended, and powers the machine off. The domain is a
// Linux where a module brings one, else loops without a kernel. Its command line: trips=N, the round trips
// that the loops make; memory=N, MiB of the Linux domain; wait=1, to wait for a byte on COM1 before the
// machine is powered off; what follows " -- " is the Linux domain's own.

#include "lab/xen/console.hpp"
#include "lab/xen/domain.hpp"
#include "lab/xen/events.hpp"
#include "lab/xen/linux_domain.hpp"
#include "lab/xen/loops_domain.hpp"
#include "lab/xen/print.hpp"
#include "lab/xen/words.hpp"

#include <span>
#include <string_view>

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

void print_refusal(const Refusal& refusal) {
    print(refusal.error != 0 ? "dom0: Xen refuses "sv : "dom0: "sv);
    print(refusal.step);
    if (refusal.error != 0) {
        print(", error "sv);
        print(static_cast<unsigned long>(-refusal.error));
    }
    print("\n"sv);
}

void print_ending(const Ending& ending) {
    print("dom0: the domain has shut down, reason "sv);
    print(ending.reason);
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

void yield() {
    hypercall(call::scheduler, scheduler_yield);
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
        yield();
}

// The lab's machine is switched off by a word at this port (bochs, unmapped.cc's port of that name).
[[noreturn]] void power_off() {
    for (const char c : "Shutdown"sv)
        write_port(0x8900, static_cast<std::uint8_t>(c));
    for (;;)
        yield();
}

// pass_time() is called between two looks.
template <typename PassTime>
[[nodiscard]] Ending wait_for_end(Hypercalls& xen, std::uint16_t domain, PassTime pass_time) {
    for (;;) {
        const Ending ending{ending_of(xen, domain)};
        if (ending.has_ended || xen.are_refused()) return ending;
        pass_time();
    }
}

void run_linux(Hypercalls& xen, const StartInfo& information, std::string_view words) {
    constexpr std::uint64_t default_memory_mib{112};
    const std::span module{reinterpret_cast<const std::uint8_t*>(information.module_start),
                           information.module_length};
    const LinuxDomain domain{
        start_linux(xen, module, number_of(words, "memory="sv, default_memory_mib), after(words, " -- "sv))};
    if (xen.are_refused()) return;
    Console console{xen, domain.id, domain.console_page};
    Events events{xen, information};
    events.listen_to_channel(xen, domain.id, domain.console_port);
    events.listen_to_endings(xen);
    const Ending ending{wait_for_end(xen, domain.id, [&] {
        events.wait(xen);
        console.print_new(false);
    })};
    console.print_new(true);
    if (xen.are_refused()) return;
    print_ending(ending);
    print("\n"sv);
}

void run_loops(Hypercalls& xen, std::string_view words) {
    constexpr std::uint64_t default_round_trips{7000};
    const std::uint16_t domain{
        start_loops(xen, static_cast<std::uint32_t>(number_of(words, "trips="sv, default_round_trips)))};
    const Ending ending{wait_for_end(xen, domain, yield)};
    const std::uint32_t result{result_of_loops(xen, domain)};
    if (xen.are_refused()) return;
    print_ending(ending);
    print(", result="sv);
    print(result);
    print("\n"sv);
}

} // namespace

extern "C" [[noreturn]] void dom0_main(const StartInfo& information) {
    print("dom0: begins\n"sv);
    std::size_t length{0};
    while (length < sizeof(information.command_line) && information.command_line[length] != '\0')
        ++length;
    const std::string_view words{information.command_line, length};
    Hypercalls xen;
    if (information.module_length != 0) {
        run_linux(xen, information, words);
    } else {
        run_loops(xen, words);
    }
    if (xen.are_refused()) print_refusal(xen.refusal());
    open_ports();
    if (number_of(words, "wait="sv, 0) != 0) wait_for_input();
    power_off();
}

} // namespace shadowtune::xen
