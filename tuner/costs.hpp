#pragma once

// What things cost. One table per source of figures; docs/cost-model.md derives each number.

#include <span>
#include <string_view>

namespace shadowtune::tuner {

struct CostTable {
    std::string_view name;   // for --costs
    std::string_view unit;   // cycles or instructions
    std::string_view source; // one line, for people
    double trap_read{0};     // one trapped VMREAD, above one that does not exit
    double trap_write{0};    // one trapped VMWRITE, its effect on the next VM entry included
    double sync_read{0};     // R: one field copied from vmcs12 to the shadow VMCS, per round trip
    double sync_write{0};    // W: one field copied back, per round trip
    double fixed{0};         // having any shadow VMCS in use, per round trip
};

// Published figures for hardware, in cycles.
inline constexpr CostTable published_costs{
    "published",
    "cycles",
    "KVM's commit messages: c5d167b27e (hot field, copies), 74a497fae7 (dirtying writes, Haswell)",
    1000.0,
    1748.0,
    10.0,
    17.0,
    300.0,
};

// KVM as L0 in the lab, in instructions: what the emulator, where a tick is an instruction, measured.
inline constexpr CostTable instruction_costs{
    "instructions",
    "instructions",
    "KVM 6.1 as L0 in the lab: per trapped access, and its shadow sync per copied field",
    1150.0,
    1170.0,
    19.8,
    19.8,
    3.0,
};

[[nodiscard]] std::span<const CostTable> cost_tables();

// The table of this name, or nullptr.
[[nodiscard]] const CostTable* find_costs(std::string_view name);

} // namespace shadowtune::tuner
