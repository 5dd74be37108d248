// trips: scripted round trips with exact counts. Parameters: trips (default 10000), seed, accesses (most at
// one exit, default 24), check (read all fields every so many trips, default 64), counts=1 (print the table
// of all accesses), spoil (every so many trips a write that is neither counted nor in the model: the run must
// then fail).

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/round_trips.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

void run_trips(const Parameters& parameters) {
    const RoundTripPlan plan{parameters.number("seed", 1),
                             parameters.number("trips", 10000),
                             parameters.number("accesses", 24),
                             parameters.number("check", 64),
                             parameters.number("mark", 0),
                             parameters.number("spoil", 0),
                             false};
    const RoundTripResult result{run_round_trips(plan)};
    print_line("RESULT name=trips trips=", result.trips, " fields=", result.fields, " errors=", result.errors,
               " hash=", hex(result.hash));
    if (!result.ran) {
        fail("trips", "stopped after ", result.trips, " of ", plan.trips, " round trips");
        return;
    }
    expect("trips", "values that differ from the model", 0, result.errors);
}

} // namespace shadowtune::micro_l1
