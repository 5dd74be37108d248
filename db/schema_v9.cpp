#include "db/schema.hpp"

namespace shadowtune::db {

// Version 9: access_count leaves sampled round trips out, and now the rates made of it do so too.
const std::string_view schema_v9{R"sql(
DROP VIEW access_rate;
DROP VIEW access_rate_by_reason;

-- Round trips in which what traps was counted in access_count: those that were not sampled.
CREATE VIEW plain_round_trip_total AS
SELECT d.recording, d.reason, d.round_trips - coalesce(s.round_trips, 0) AS round_trips
FROM round_trip_total d
LEFT JOIN sampled_round_trip_total s ON s.recording = d.recording AND s.reason = d.reason;

-- Field by field: accesses per round trip. Accesses outside round trips (creation of a guest) are left out of rates.
CREATE VIEW access_rate AS
SELECT t.recording, f.symbol AS field, CASE t.access WHEN 0 THEN 'read' ELSE 'write' END AS access,
       sum(t.count) AS count,
       round(1.0 * sum(t.count) / (SELECT sum(round_trips) FROM plain_round_trip_total d WHERE d.recording = t.recording), 4)
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
JOIN plain_round_trip_total d ON d.recording = t.recording AND d.reason = t.reason
ORDER BY t.recording, d.round_trips DESC, per_round_trip DESC, field;
)sql"};

} // namespace shadowtune::db
