#include "db/schema.hpp"

namespace shadowtune::db {

// Version 1. Fields are stored by encoding, never by catalogue index: an encoding means the same in every
// catalogue. 64-bit numbers without a sign (MSRs, boot_id) are stored with their bits in SQLite's signed
// integers; the views print them in hexadecimal. Times of day are milliseconds since 1970, UTC.
const std::string_view schema_v1{R"sql(
CREATE TABLE field (
    encoding   INTEGER PRIMARY KEY,  -- of the full field: even
    symbol     TEXT NOT NULL UNIQUE, -- guest_rip
    name       TEXT NOT NULL,        -- as the SDM spells it
    width      TEXT NOT NULL,        -- 16, 64, 32, natural
    type       TEXT NOT NULL,        -- control, read-only data, guest state, host state
    shadowing  TEXT NOT NULL,        -- what a profile may do: 'read and write', 'read', 'never'
    why        TEXT NOT NULL         -- the reason where it is not 'read and write'
);

CREATE TABLE exit_reason (
    number INTEGER PRIMARY KEY, -- basic exit reason; 80 = outside a round trip
    name   TEXT NOT NULL
);

CREATE TABLE machine (
    id                INTEGER PRIMARY KEY,
    boot_id           INTEGER NOT NULL UNIQUE,
    cpu_brand         TEXT NOT NULL,
    cpu_signature     INTEGER NOT NULL, -- CPUID 01H EAX
    tsc_khz           INTEGER NOT NULL, -- 0: the processor does not tell
    memory_bytes      INTEGER NOT NULL, -- RAM given to L1
    vcpus             INTEGER NOT NULL,
    vmm_version       TEXT NOT NULL,
    catalogue_version INTEGER NOT NULL
);

CREATE TABLE capability_msr (
    machine_id INTEGER NOT NULL REFERENCES machine (id),
    msr        INTEGER NOT NULL, -- 480H to 493H
    hardware   INTEGER NOT NULL, -- the processor's
    offered    INTEGER NOT NULL, -- as L1 reads it
    PRIMARY KEY (machine_id, msr)
) WITHOUT ROWID;

CREATE TABLE machine_field (
    machine_id INTEGER NOT NULL REFERENCES machine (id),
    encoding   INTEGER NOT NULL,
    physical   INTEGER NOT NULL, -- 1: the processor has it
    offered    INTEGER NOT NULL, -- 1: L1 can access it
    PRIMARY KEY (machine_id, encoding)
) WITHOUT ROWID;

CREATE TABLE recording (
    id           INTEGER PRIMARY KEY,
    machine_id   INTEGER NOT NULL REFERENCES machine (id),
    l1_kind      TEXT NOT NULL,    -- how L1 was booted: linux, multiboot1, multiboot2, unknown
    l1_name      TEXT NOT NULL,    -- as L0 tells it
    workload     TEXT NOT NULL,    -- the user's label
    cpu_model    TEXT NOT NULL,    -- the lab's processor model; empty on hardware
    tool_version TEXT NOT NULL,
    started_ms   INTEGER NOT NULL,
    ended_ms     INTEGER           -- NULL: still running, or the recorder was killed
);

CREATE TABLE generation (
    recording_id INTEGER NOT NULL REFERENCES recording (id),
    number       INTEGER NOT NULL,
    mode         TEXT NOT NULL CHECK (mode IN ('trap', 'tuned')),
    profile_name TEXT NOT NULL,
    at_ms        INTEGER NOT NULL,
    PRIMARY KEY (recording_id, number)
) WITHOUT ROWID;

-- Only fields in the hot set have a row.
CREATE TABLE generation_field (
    recording_id  INTEGER NOT NULL REFERENCES recording (id),
    generation    INTEGER NOT NULL,
    encoding      INTEGER NOT NULL,
    read_shadowed  INTEGER NOT NULL,
    write_shadowed INTEGER NOT NULL,
    PRIMARY KEY (recording_id, generation, encoding)
) WITHOUT ROWID;

CREATE TABLE snapshot (
    id             INTEGER PRIMARY KEY,
    recording_id   INTEGER NOT NULL REFERENCES recording (id),
    sequence       INTEGER NOT NULL, -- 1, 2, ... within the recording
    at_ms          INTEGER NOT NULL,
    frames_dropped INTEGER NOT NULL, -- by the host, cumulative: garbage, CRC
    frames_missed  INTEGER NOT NULL, -- never came
    reconnects     INTEGER NOT NULL,
    snapshots_lost INTEGER NOT NULL, -- asked for and not completed; the next one carries their counts
    UNIQUE (recording_id, sequence)
);

-- Counters are cumulative from power-on, so rates are differences and a lost snapshot costs no counts.
CREATE TABLE snapshot_vcpu (
    snapshot_id            INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu                   INTEGER NOT NULL,
    tsc                    INTEGER NOT NULL,
    mode                   TEXT NOT NULL CHECK (mode IN ('trap', 'tuned')),
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

-- Sparse: a row only where the count differs from the recording's previous snapshot. The value at a snapshot is the
-- largest count up to it.
CREATE TABLE access_count (
    snapshot_id INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu        INTEGER NOT NULL,
    encoding    INTEGER NOT NULL, -- as L1 used it: odd for a high half
    access      INTEGER NOT NULL CHECK (access IN (0, 1)), -- 0 VMREAD, 1 VMWRITE
    reason      INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, vcpu, encoding, access, reason)
) WITHOUT ROWID;

CREATE TABLE round_trip_count (
    snapshot_id INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu        INTEGER NOT NULL,
    reason      INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, vcpu, reason)
) WITHOUT ROWID;

-- Who made what, how long, at a glance.
CREATE VIEW recording_summary AS
SELECT r.id AS recording, r.l1_name AS l1, r.workload, r.cpu_model,
       datetime(r.started_ms / 1000, 'unixepoch') AS started_utc, r.ended_ms IS NOT NULL AS finished,
       (SELECT count(*) FROM snapshot s WHERE s.recording_id = r.id) AS snapshots,
       (SELECT sum(d.round_trips) FROM round_trip_total d WHERE d.recording = r.id) AS round_trips
FROM recording r;

-- The recording's last snapshot minus its first, all vCPUs together.
CREATE VIEW access_total AS
SELECT recording, encoding, access, reason, sum(last - first) AS count
FROM (SELECT s.recording_id AS recording, c.encoding & ~1 AS encoding, c.access, c.reason, max(c.count) AS last,
             coalesce(max(c.count) FILTER (WHERE s.sequence = 1), 0) AS first
      FROM access_count c JOIN snapshot s ON s.id = c.snapshot_id
      GROUP BY s.recording_id, c.vcpu, c.encoding, c.access, c.reason)
GROUP BY recording, encoding, access, reason
HAVING sum(last - first) > 0;

CREATE VIEW round_trip_total AS
SELECT recording, reason, sum(last - first) AS round_trips
FROM (SELECT s.recording_id AS recording, c.reason, max(c.count) AS last,
             coalesce(max(c.count) FILTER (WHERE s.sequence = 1), 0) AS first
      FROM round_trip_count c JOIN snapshot s ON s.id = c.snapshot_id
      GROUP BY s.recording_id, c.vcpu, c.reason)
GROUP BY recording, reason
HAVING sum(last - first) > 0;

-- Field by field: accesses per round trip. Accesses outside round trips (creation of a guest) are left out of rates.
CREATE VIEW access_rate AS
SELECT t.recording, f.symbol AS field, CASE t.access WHEN 0 THEN 'read' ELSE 'write' END AS access,
       sum(t.count) AS count,
       round(1.0 * sum(t.count) / (SELECT sum(round_trips) FROM round_trip_total d WHERE d.recording = t.recording), 4)
           AS per_round_trip
FROM access_total t JOIN field f ON f.encoding = t.encoding
WHERE t.reason < 80
GROUP BY t.recording, f.symbol, t.access
ORDER BY t.recording, per_round_trip DESC, field;

-- The same, for each exit reason by itself.
CREATE VIEW access_rate_by_reason AS
SELECT t.recording, e.name AS exit_reason, f.symbol AS field, CASE t.access WHEN 0 THEN 'read' ELSE 'write' END AS access,
       t.count, round(1.0 * t.count / d.round_trips, 4) AS per_round_trip
FROM access_total t
JOIN field f ON f.encoding = t.encoding
JOIN exit_reason e ON e.number = t.reason
JOIN round_trip_total d ON d.recording = t.recording AND d.reason = t.reason
ORDER BY t.recording, d.round_trips DESC, per_round_trip DESC, field;

-- From snapshot to snapshot: when did which field become hot?
CREATE VIEW access_step AS
SELECT s.recording_id AS recording, s.sequence, s.at_ms, c.vcpu, f.symbol AS field,
       CASE c.access WHEN 0 THEN 'read' ELSE 'write' END AS access, e.name AS exit_reason,
       c.count - lag(c.count, 1, 0) OVER (PARTITION BY s.recording_id, c.vcpu, c.encoding, c.access, c.reason
                                          ORDER BY s.sequence) AS count
FROM access_count c
JOIN snapshot s ON s.id = c.snapshot_id
JOIN field f ON f.encoding = c.encoding & ~1
JOIN exit_reason e ON e.number = c.reason;

CREATE VIEW capability_msr_hex AS
SELECT machine_id, printf('0x%X', msr) AS msr, printf('0x%016X', hardware) AS hardware,
       printf('0x%016X', offered) AS offered
FROM capability_msr;
)sql"};

} // namespace shadowtune::db
