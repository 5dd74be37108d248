#include "db/schema.hpp"

namespace shadowtune::db {

// Version 6: what a machine's accesses cost, measured by `shadowtune calibrate`, and how many operands lie in
// memory, which cost more.
const std::string_view schema_v6{R"sql(
CREATE TABLE calibration (
    id           INTEGER PRIMARY KEY,
    machine_id   INTEGER NOT NULL REFERENCES machine (id),
    cpu_model    TEXT NOT NULL,    -- the lab's processor model; empty on hardware
    tool_version TEXT NOT NULL,
    made_ms      INTEGER NOT NULL,
    unit         TEXT NOT NULL     -- of its costs: instructions (the lab's TSC ticks), cycles (hardware's), nanoseconds
);

-- docs/cost-model.md says what each quantity is.
CREATE TABLE calibration_cost (
    calibration_id INTEGER NOT NULL REFERENCES calibration (id),
    quantity       TEXT NOT NULL,
    type           TEXT NOT NULL, -- of the fields it was measured on, as field.type; empty: of all
    width          TEXT NOT NULL, -- likewise
    median         REAL NOT NULL,
    lower_quartile REAL NOT NULL,
    upper_quartile REAL NOT NULL,
    least          REAL NOT NULL,
    most           REAL NOT NULL,
    repetitions    INTEGER NOT NULL,
    PRIMARY KEY (calibration_id, quantity, type, width)
) WITHOUT ROWID;

ALTER TABLE snapshot_vcpu ADD COLUMN memory_reads INTEGER NOT NULL DEFAULT 0;  -- in round trips; not counted before version 6
ALTER TABLE snapshot_vcpu ADD COLUMN memory_writes INTEGER NOT NULL DEFAULT 0;
)sql"};

} // namespace shadowtune::db
