#pragma once

// The engine of the scripts `trips` and `fire`: an L2 that exits in scripted order, and an L1 that reads and
// writes all over the VMCS at each exit and checks every value. One L2 for the life of the micro-L1: each run
// resumes it.

#include <cstdint>

namespace shadowtune::micro_l1 {

struct RoundTripPlan {
    std::uint64_t seed;
    std::uint64_t trips;        // 0: until a line "stop" is typed
    std::uint64_t max_accesses; // scripted accesses at one exit, besides those that handling it needs
    std::uint64_t check_all;    // every how many trips all fields are read; 0: never
    std::uint64_t mark;         // every how many trips a MARK line is printed; 0: never
    std::uint64_t spoil;        // every how many trips a field is changed behind the model's back; 0: never
    bool stoppable;             // looks for a typed line at each trip
};

struct RoundTripResult {
    bool ran;             // false: L2 could not be entered; it has been printed why
    std::uint64_t trips;  // done in this run
    std::uint64_t errors; // since power-on
    std::uint64_t hash;
    std::uint64_t fields; // that the VMCS has
};

[[nodiscard]] RoundTripResult run_round_trips(const RoundTripPlan& plan);

} // namespace shadowtune::micro_l1
