#include "db/schema.hpp"

namespace shadowtune::db {

// Version 4: what the closed loop decided, and by which rates.
const std::string_view schema_v4{R"sql(
CREATE TABLE decision (
    recording_id INTEGER NOT NULL REFERENCES recording (id),
    number       INTEGER NOT NULL, -- from 1 on
    at_ms        INTEGER NOT NULL,
    snapshot     INTEGER NOT NULL, -- sequence of the last one that it goes by
    round_trips  INTEGER NOT NULL, -- since power-on, all vCPUs
    gone_by      INTEGER NOT NULL, -- round trips that it goes by
    action       TEXT NOT NULL CHECK (action IN ('start', 'gather', 'keep', 'wait', 'retune', 'would retune', 'refused')),
    generation   INTEGER NOT NULL, -- in force afterwards, or soon
    trapped      REAL NOT NULL,    -- measured: per round trip that was not sampled, since the last change
    gain         REAL NOT NULL,    -- predicted, per round trip
    unit         TEXT NOT NULL,    -- of gain
    words        TEXT NOT NULL,    -- for people
    PRIMARY KEY (recording_id, number)
) WITHOUT ROWID;

-- The fields of a wait, retune, would retune or refused: accesses per round trip as known then, with the interval.
CREATE TABLE decision_change (
    recording_id INTEGER NOT NULL REFERENCES recording (id),
    number       INTEGER NOT NULL,
    encoding     INTEGER NOT NULL,
    before       TEXT NOT NULL CHECK (before IN ('-', 'R', 'RW')),
    after        TEXT NOT NULL CHECK (after IN ('-', 'R', 'RW')),
    reads        REAL NOT NULL,
    reads_low    REAL NOT NULL,
    reads_high   REAL NOT NULL,
    writes       REAL NOT NULL,
    writes_low   REAL NOT NULL,
    writes_high  REAL NOT NULL,
    PRIMARY KEY (recording_id, number, encoding)
) WITHOUT ROWID;

CREATE VIEW decision_log AS
SELECT d.recording_id AS recording, d.number, datetime(d.at_ms / 1000, 'unixepoch') AS at, d.round_trips, d.action, d.generation,
       round(d.trapped, 4) AS trapped, round(d.gain, 1) AS gain, d.unit, d.words
FROM decision d
ORDER BY d.recording_id, d.number;
)sql"};

} // namespace shadowtune::db
