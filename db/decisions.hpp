#pragma once

// The closed loop's log in a recording: each decision, and the rates that speak for it.

#include "db/database.hpp"
#include "db/records.hpp"

namespace shadowtune::db {

struct Rate {
    double estimate{0}; // accesses per round trip
    double low{0};
    double high{0}; // where nothing is known it may be infinite
};

struct DecisionChange {
    vmcs::FieldIndex field{vmcs::no_field};
    std::string before; // "-", "R" or "RW"
    std::string after;
    Rate reads;
    Rate writes;
};

struct Decision {
    std::int64_t at_ms{0};
    std::uint32_t snapshot{0};    // of the recording, the last one that it goes by
    std::uint64_t round_trips{0}; // since power-on
    std::uint64_t gone_by{0};     // round trips that it goes by
    std::string action;           // start, gather, keep, wait, retune, would retune, refused
    std::uint32_t generation{0};
    double trapped{0}; // per round trip, since the last change
    double gain{0};    // per round trip, predicted
    std::string unit;  // of gain
    std::string words; // for people
    std::vector<DecisionChange> changes;
};

// One more, after those that the recording has. Error: the database's.
[[nodiscard]] Result<void, Error> add_decision(Database& database, std::int64_t recording,
                                               const Decision& decision);

// In order of making.
[[nodiscard]] Result<std::vector<Decision>, Error> read_decisions(Database& database, std::int64_t recording);

} // namespace shadowtune::db
