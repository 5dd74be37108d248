#pragma once

// What accesses and their shadowing cost on one machine, as measured there.

#include "db/database.hpp"
#include "db/records.hpp"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace shadowtune::db {

// What a figure tells the cost of. "Of its type", "of its type and width": there is one figure for each.
enum class Quantity : std::uint8_t {
    round_trip,           // a round trip of the calibration's L1 without any access, nothing shadowed
    trapped_read,         // a VMREAD that exits, value at hand; of its type
    trapped_read_fetch,   // besides, where the value is still in vmcs02; of its type
    trapped_read_memory,  // besides, where the operand is memory, without the walk there
    trapped_write,        // a VMWRITE that exits and changes nothing; of its type
    trapped_write_memory, // besides, where the operand is memory, without the walk there
    trapped_walk_entry,   // besides, for each paging-structure entry of L1's on the way to the operand
    trapped_write_update, // besides, where reads of the field are shadowed
    dirty,                // a changed field: what the next entry of L2 takes; of its type
    dirty_combined,       // the same for one that vmcs02 has in combination with L0's own
    shadow_read,          // a VMREAD of the shadow VMCS, which does not exit; of its type and width
    shadow_write,         // a VMWRITE of it; of its type and width
    sync_read,            // per round trip: a field of R whose value is as before; of its type and width
    sync_read_changed,    // besides, where it is another
    sync_write,           // per round trip: a field of W that L1 has not changed; of its type and width
    sync_write_changed,   // besides, where L1 has; `dirty` is not in it
    shadow,               // per round trip: having a shadow VMCS that L0 reads and writes
    switch_shadow,        // at each VMPTRLD to another VMCS in a round trip: having one
    switch_read,          // likewise: a field of R whose value is the same in both
    switch_read_changed,  // besides, where it is another
    switch_write,         // likewise: a field of W
    switch_fetch,         // at the first of a round trip: a field whose value is still in vmcs02
    exit_entry,           // a VM exit and the entry that answers it, with the least work between them
    vmptrld,              // a VMPTRLD
    vmclear,              // a VMCLEAR of a VMCS that is current
};
inline constexpr std::size_t quantity_count{25};

// As in the file, and for people.
[[nodiscard]] std::string_view text(Quantity quantity);
[[nodiscard]] std::optional<Quantity> find_quantity(std::string_view text);

struct CostFigure {
    Quantity quantity{};
    std::optional<vmcs::Type> type;   // none: of all
    std::optional<vmcs::Width> width; // none: of all
    // In the calibration's unit. A difference of measurements may come out below 0.
    double median{0};
    double lower_quartile{0};
    double upper_quartile{0};
    double least{0};
    double most{0};
    std::uint32_t repetitions{0};
};

struct Calibration {
    std::int64_t id{0}; // given by the file
    Machine machine;
    std::string cpu_model; // as in Labels
    std::string tool_version;
    std::int64_t made_ms{0}; // since 1970, UTC
    std::string unit;        // instructions (a TSC tick is one in the lab), cycles (on hardware), nanoseconds
    std::vector<CostFigure> figures;
};

// Its id. All or nothing.
[[nodiscard]] Result<std::int64_t, Error> store_calibration(Database& database,
                                                            const Calibration& calibration);

// All, in order of making. Figures of a quantity, type or width that this shadowtune does not know are left
// out.
[[nodiscard]] Result<std::vector<Calibration>, Error> read_calibrations(Database& database);

} // namespace shadowtune::db
