#pragma once

// The machine's second processor. It runs an image of its own, the same program linked at another address
// (CMakeLists.txt), so that nothing is shared between the two but what this file names: every table, counter
// and VMCS exists twice. The first processor brings it there, starts it by INIT and a start-up IPI (SDM
// Vol. 3A, 9.4 "Multiple-Processor (MP) Initialization", edition 325462-087) and hands on each line that it
// reads.

#include "tests/micro_l1/parameters.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::micro_l1 {

// Before anything is printed: whether the words are those that the second processor's image gets.
void note_processor(const Parameters& parameters);
[[nodiscard]] bool is_second_processor();

// On the first processor, where the words ask for the second one (processors=2): starts it and waits until it
// is up. False, and told, where it does not come. On the second one: says that it is up.
[[nodiscard]] bool start_second_processor(const Parameters& parameters, std::string_view boot_line);

// On the first processor: until the second one, where there is one, has come to its end.
void await_second_processor();
[[noreturn]] void stop_second_processor();

// One processor at a time prints a line.
void begin_line();
void end_line();

// From the first processor's console to the second processor.
void hand_on(std::string_view line);
[[nodiscard]] bool is_handed_on();
// Waits for one; as much of it as `to` holds.
[[nodiscard]] std::size_t take_handed_on(char* to, std::size_t capacity);

} // namespace shadowtune::micro_l1
