#pragma once

// What things cost. One table for each source of figures: published, the lab's, or a calibration of the
// machine at hand. docs/cost-model.md derives each number.

#include "db/calibration.hpp"
#include "vmcs/catalogue.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace shadowtune::tuner {

// Of one field, in the table's unit. "Besides" is added to the figure above it.
struct FieldCosts {
    double trap_read{0};          // one trapped VMREAD, above one that does not exit
    double fetch{0};              // besides, the first of a round trip: the value is brought from vmcs02
    double trap_write{0};         // one trapped VMWRITE, above one that does not exit
    double update{0};             // besides, where the field is in R: the shadow VMCS must follow
    double memory_read{0};        // besides, where a trapped VMREAD's operand is memory
    double memory_write{0};       // besides, where a trapped VMWRITE's is
    double walk_entry{0};         // besides, for each of L1's paging-structure entries on the way there
    double sync_read{0};          // R: vmcs12 to the shadow VMCS, per round trip
    double sync_read_changed{0};  // besides, where the value is another than at the last round trip
    double sync_write{0};         // W: the shadow VMCS to vmcs12, per round trip
    double sync_write_changed{0}; // besides, where L1 has written it
    // Where L1 makes another VMCS current in a round trip, each time:
    double switch_read{0};         // R
    double switch_read_changed{0}; // besides, where that VMCS has another value
    double switch_write{0};        // W
    // At the first of a round trip, where neither R nor a VMREAD of L1 has brought the value from vmcs02.
    double switch_fetch{0};
};

struct CostTable {
    std::string name;   // for --costs
    std::string unit;   // cycles or instructions
    std::string source; // one line, for people
    std::array<FieldCosts, vmcs::field_count> fields{};
    double fixed{0};         // having any shadow VMCS in use, per round trip
    double switch_shadow{0}; // the same at each switch to another VMCS in one

    // The least that one field in R may take per round trip.
    [[nodiscard]] double least_sync() const;
    // The most that one trapped VMREAD takes.
    [[nodiscard]] double dearest_read() const;
};

// A table in which all fields cost the same.
[[nodiscard]] CostTable uniform_costs(std::string name, std::string unit, std::string source,
                                      const FieldCosts& each, double fixed);

// Published figures for hardware, in cycles.
[[nodiscard]] const CostTable& published_costs();

// KVM as L0 in the lab, in instructions: what the emulator, where a tick is an instruction, measured.
[[nodiscard]] const CostTable& instruction_costs();

// A machine's own. A class of fields that it had none of takes the figure of another width of its type, or
// of any.
[[nodiscard]] CostTable measured_costs(const db::Calibration& calibration);

// The newest one of this processor that knows of accesses, or nullptr. One of a host's own KVM does not.
[[nodiscard]] const db::Calibration* calibration_for(std::span<const db::Calibration> all,
                                                     const db::Machine& machine);

// The published and the lab's.
[[nodiscard]] std::span<const CostTable> cost_tables();

// The one of these that has this name, or nullptr.
[[nodiscard]] const CostTable* find_costs(std::string_view name);

} // namespace shadowtune::tuner
