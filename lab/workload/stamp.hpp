// What a program prints, with the time at each line: for an L1 that runs QEMU as its workload.
#pragma once

namespace shadowtune::workload {

// Runs `program` (a null-terminated argument list; the path comes first), and prints its lines, each followed
// by the time-stamp counter and the exits that this machine's KVM has handled since it was loaded, -1 where
// debugfs does not tell:
//
//   L2 worked [ticks=123456 exits=789]
//
// A first line of its own, "begin", has the figures of before the program. Returns the program's exit status,
// 127 where it cannot be run.
[[nodiscard]] int stamp(char* const* program);

} // namespace shadowtune::workload
