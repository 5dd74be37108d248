#pragma once

// The two ways in which L0 ends: it cannot start on this machine, or it met a state that may not be. Both say
// so in one line on every channel there is and end the machine in the way that the command line chose.

#include <atomic>
#include <cstdint>

namespace shadowtune::cpu {

struct ExceptionFrame;
struct Processor;

namespace detail {
extern std::atomic<const Processor*> speaker; // of the last words
}

// What happens after the last word: a halted machine keeps its screen, the lab wants to be powered off.
enum class LastAct : std::uint8_t { halt, bochs_power_off };
void set_last_act(LastAct act);

// "shadowtune: cannot start: REASON; MEND".
[[noreturn]] void cannot_start(const char* reason_and_mend);

// "shadowtune: L0 stopped: WHAT (NUMBER)".
[[noreturn]] void panic(const char* what, std::uint64_t number = 0);
[[noreturn]] void panic_exception(const ExceptionFrame& frame);

// With several processors one speaks and all stop. The first to call begin_last_words() returns from it once
// the others have stopped, or have had the time to; whoever comes later stops there. The others look at
// is_stopping() at each exit and call stop_here().
void begin_last_words();
[[nodiscard]] inline bool is_stopping() {
    return detail::speaker.load(std::memory_order_relaxed) != nullptr;
}
[[noreturn]] void stop_here();

// Processors that run L1 or L0 on its behalf: begin_last_words() waits for all but its own. One that sleeps
// in L0 steps out for that time.
void join_running();
void leave_running();

// Text on port 0xE9, which emulators show, and on the VGA text screen.
void console_write(const char* text);
void console_write_hex(std::uint64_t value);
[[noreturn]] void end_machine();

} // namespace shadowtune::cpu
