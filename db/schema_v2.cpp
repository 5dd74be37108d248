#include "db/schema.hpp"

namespace shadowtune::db {

// Version 2. Every so many snapshots one is complete, so that the counts at any snapshot are found without
// reading the recording from its start. A first snapshot always was.
const std::string_view schema_v2{R"sql(
-- 1: access_count and round_trip_count have a row for every count that is not 0, changed or not.
ALTER TABLE snapshot ADD COLUMN complete INTEGER NOT NULL DEFAULT 0;
UPDATE snapshot SET complete = 1 WHERE sequence = 1;

-- As in version 1, without the rows that a complete snapshot has for counts that did not change.
DROP VIEW access_step;
CREATE VIEW access_step AS
SELECT recording, sequence, at_ms, vcpu, field, access, exit_reason, count
FROM (SELECT s.recording_id AS recording, s.sequence, s.at_ms, c.vcpu, f.symbol AS field,
             CASE c.access WHEN 0 THEN 'read' ELSE 'write' END AS access, e.name AS exit_reason,
             c.count - lag(c.count, 1, 0) OVER (PARTITION BY s.recording_id, c.vcpu, c.encoding, c.access, c.reason
                                                ORDER BY s.sequence) AS count
      FROM access_count c
      JOIN snapshot s ON s.id = c.snapshot_id
      JOIN field f ON f.encoding = c.encoding & ~1
      JOIN exit_reason e ON e.number = c.reason)
WHERE count > 0;
)sql"};

} // namespace shadowtune::db
