#include "db/schema.hpp"

namespace shadowtune::db {

// Version 3: mode sample. SQLite changes no constraint in place, so the two tables that name modes are
// copied.
const std::string_view schema_v3{R"sql(
CREATE TABLE generation_v3 (
    recording_id    INTEGER NOT NULL REFERENCES recording (id),
    number          INTEGER NOT NULL,
    mode            TEXT NOT NULL CHECK (mode IN ('trap', 'tuned', 'sample')),
    sample_interval INTEGER NOT NULL, -- mode sample: one of so many round trips in the mean; else 0
    profile_name    TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (recording_id, number)
) WITHOUT ROWID;
INSERT INTO generation_v3 SELECT recording_id, number, mode, 0, profile_name, at_ms FROM generation;
DROP TABLE generation;
ALTER TABLE generation_v3 RENAME TO generation;

CREATE TABLE snapshot_vcpu_v3 (
    snapshot_id            INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu                   INTEGER NOT NULL,
    tsc                    INTEGER NOT NULL,
    mode                   TEXT NOT NULL CHECK (mode IN ('trap', 'tuned', 'sample')),
    sample_interval        INTEGER NOT NULL,
    generation             INTEGER NOT NULL,
    round_trips            INTEGER NOT NULL,
    round_trip_ticks       INTEGER NOT NULL,
    l0_ticks               INTEGER NOT NULL,
    vm_exits               INTEGER NOT NULL,
    l2_exits_kept          INTEGER NOT NULL,
    unknown_field_accesses INTEGER NOT NULL,
    sync_reads             INTEGER NOT NULL,
    sync_writes            INTEGER NOT NULL,
    vmread_executed        INTEGER NOT NULL,
    vmwrite_executed       INTEGER NOT NULL,
    vmptrld_executed       INTEGER NOT NULL,
    vmclear_executed       INTEGER NOT NULL,
    reloads                INTEGER NOT NULL,
    last_reload_ticks      INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, vcpu)
) WITHOUT ROWID;
INSERT INTO snapshot_vcpu_v3
    SELECT snapshot_id, vcpu, tsc, mode, 0, generation, round_trips, round_trip_ticks, l0_ticks, vm_exits, l2_exits_kept,
           unknown_field_accesses, sync_reads, sync_writes, vmread_executed, vmwrite_executed, vmptrld_executed,
           vmclear_executed, reloads, last_reload_ticks
    FROM snapshot_vcpu;
DROP TABLE snapshot_vcpu;
ALTER TABLE snapshot_vcpu_v3 RENAME TO snapshot_vcpu;

-- Sparse and complete like access_count, which leaves out what is here: each access is counted once.
CREATE TABLE sampled_count (
    snapshot_id INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu        INTEGER NOT NULL,
    encoding    INTEGER NOT NULL, -- even: high halves are counted with their field
    access      INTEGER NOT NULL CHECK (access IN (0, 1)), -- 0 VMREAD, 1 VMWRITE
    reason      INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    squares     INTEGER NOT NULL, -- sum over the sampled round trips of each one's accesses, squared
    PRIMARY KEY (snapshot_id, vcpu, encoding, access, reason)
) WITHOUT ROWID;

-- Of the round trips in round_trip_count, those that were sampled.
CREATE TABLE sampled_round_trip_count (
    snapshot_id INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu        INTEGER NOT NULL,
    reason      INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, vcpu, reason)
) WITHOUT ROWID;

-- The recording's last snapshot minus its first, all vCPUs together.
CREATE VIEW sampled_total AS
SELECT recording, encoding, access, reason, sum(last - first) AS count, sum(last_squares - first_squares) AS squares
FROM (SELECT s.recording_id AS recording, c.encoding, c.access, c.reason, max(c.count) AS last, max(c.squares) AS last_squares,
             coalesce(max(c.count) FILTER (WHERE s.sequence = 1), 0) AS first,
             coalesce(max(c.squares) FILTER (WHERE s.sequence = 1), 0) AS first_squares
      FROM sampled_count c JOIN snapshot s ON s.id = c.snapshot_id
      GROUP BY s.recording_id, c.vcpu, c.encoding, c.access, c.reason)
GROUP BY recording, encoding, access, reason
HAVING sum(last - first) > 0;

CREATE VIEW sampled_round_trip_total AS
SELECT recording, reason, sum(last - first) AS round_trips
FROM (SELECT s.recording_id AS recording, c.reason, max(c.count) AS last,
             coalesce(max(c.count) FILTER (WHERE s.sequence = 1), 0) AS first
      FROM sampled_round_trip_count c JOIN snapshot s ON s.id = c.snapshot_id
      GROUP BY s.recording_id, c.vcpu, c.reason)
GROUP BY recording, reason
HAVING sum(last - first) > 0;

-- Field by field: accesses per round trip as estimated, and the estimate's standard error. `report` has intervals.
CREATE VIEW sampled_rate AS
SELECT recording, field, access, count, round(mean, 4) AS per_round_trip,
       round(sqrt(max(squares / sampled - mean * mean, 0) / sampled * (1 - sampled / round_trips)), 6) AS standard_error
FROM (SELECT t.recording, f.symbol AS field, CASE t.access WHEN 0 THEN 'read' ELSE 'write' END AS access,
             sum(t.count) AS count, 1.0 * sum(t.squares) AS squares, sum(t.count) / n.sampled AS mean, n.sampled, n.round_trips
      FROM sampled_total t
      JOIN field f ON f.encoding = t.encoding
      JOIN (SELECT s.recording, 1.0 * sum(s.round_trips) AS sampled,
                   1.0 * (SELECT sum(d.round_trips) FROM round_trip_total d WHERE d.recording = s.recording) AS round_trips
            FROM sampled_round_trip_total s GROUP BY s.recording) n ON n.recording = t.recording
      GROUP BY t.recording, f.symbol, t.access)
ORDER BY recording, per_round_trip DESC, field;
)sql"};

} // namespace shadowtune::db
