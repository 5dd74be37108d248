// How a lab run ended, as the exit code of `shadowtune lab run`. Scripts rely on the numbers: never renumber.
#pragma once

#include <string_view>

namespace shadowtune::lab {

// 0 to 4 are decided before the machine starts, 20 and above after it; 130 and 143 follow the shell's 128 +
// signal.
enum class ExitCode : int {
    powered_off = 0, // the guest powered the machine off (ACPI S5, or "Shutdown" written to port 0x8900)
    usage = 2,       // an option is malformed, out of range, or does not go with another
    not_ready = 3,   // a package, BIOS or file that the lab needs is missing; the message names the mend
    bad_image = 4,   // the L1 image is unreadable or not of the kind that --l1 says
    internal = 5,    // the host refused something ordinary: disk full, no pty, no socket
    bad_input = 6,   // the profile or the database that goes with the run is not usable
    timeout = 20,    // --timeout went by before the guest powered off
    l1_stopped = 21, // L0 stopped L1: "shadowtune: L1 stopped: ..." was seen
    vmm_cannot_start = 22, // L0 refused the machine: "shadowtune: cannot start: ..." was seen
    emulator_panic = 23,   // Bochs ended by itself: panic, triple fault, or killed from outside
    machine_reset = 24,    // the guest reset the machine, which would boot it anew for ever
    not_printed = 25,      // the guest powered the machine off, but had not printed what --expect says
    interrupted = 130,     // SIGINT (Ctrl-C)
    terminated = 143,      // SIGTERM
};

[[nodiscard]] constexpr int to_int(ExitCode code) {
    return static_cast<int>(code);
}

// One line for help texts and documents; never empty for a value of the enumeration.
[[nodiscard]] constexpr std::string_view describe(ExitCode code) {
    switch (code) {
    case ExitCode::powered_off: return "the guest powered the machine off";
    case ExitCode::usage: return "an option is wrong";
    case ExitCode::not_ready: return "a package, BIOS or file is missing";
    case ExitCode::bad_image: return "the L1 image is unreadable or of the wrong kind";
    case ExitCode::internal: return "the host refused a pty, a socket or disk space";
    case ExitCode::bad_input: return "the profile or the database is not usable";
    case ExitCode::timeout: return "the time limit went by";
    case ExitCode::l1_stopped: return "L0 stopped L1";
    case ExitCode::vmm_cannot_start: return "the VMM cannot start on this processor";
    case ExitCode::emulator_panic: return "the emulator ended by itself";
    case ExitCode::machine_reset: return "the guest reset the machine";
    case ExitCode::not_printed: return "the guest powered the machine off without a text of --expect";
    case ExitCode::interrupted: return "interrupted";
    case ExitCode::terminated: return "terminated";
    }
    return "";
}

} // namespace shadowtune::lab
