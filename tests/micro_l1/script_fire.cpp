// fire: round trips that check every value, for as long as the host reloads profiles. Parameters: trips
// (default 0: until "stop" is typed), seed, accesses, check (default 16), mark (a line every so many trips,
// default 10000), spoil (as in trips).

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/round_trips.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

void run_fire(const Parameters& parameters) {
    const RoundTripPlan plan{parameters.number("seed", 1),
                             parameters.number("trips", 0),
                             parameters.number("accesses", 12),
                             parameters.number("check", 16),
                             parameters.number("mark", 10000),
                             parameters.number("spoil", 0),
                             true};
    const RoundTripResult result{run_round_trips(plan)};
    print_line("RESULT name=fire trips=", result.trips, " fields=", result.fields, " errors=", result.errors);
    if (!result.ran) {
        fail("fire", "stopped by itself after ", result.trips, " round trips");
        return;
    }
    expect("fire", "writes lost and reads stale", 0, result.errors);
}

} // namespace shadowtune::micro_l1
