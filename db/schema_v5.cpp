#include "db/schema.hpp"

namespace shadowtune::db {

// Version 5: what L1 did before L2 ran for the first time.
const std::string_view schema_v5{R"sql(
-- None for a recording whose L1 had not run an L2 when it ended. Controls are those in force at that first VM entry.
CREATE TABLE fingerprint (
    recording_id          INTEGER PRIMARY KEY REFERENCES recording (id),
    state                 TEXT NOT NULL CHECK (state IN ('seen', 'hidden')), -- hidden: accesses were shadowed then, nothing is known
    pin_based_controls    INTEGER NOT NULL,
    primary_controls      INTEGER NOT NULL,
    secondary_controls    INTEGER NOT NULL, -- 0 where not activated
    vm_exit_controls      INTEGER NOT NULL,
    vm_entry_controls     INTEGER NOT NULL,
    tertiary_controls     INTEGER NOT NULL -- 0 where not activated
);

-- In order of each field's first VMREAD and first VMWRITE.
CREATE TABLE fingerprint_access (
    recording_id INTEGER NOT NULL REFERENCES fingerprint (recording_id),
    position     INTEGER NOT NULL, -- from 1
    encoding     INTEGER NOT NULL, -- of the full field
    access       INTEGER NOT NULL CHECK (access IN (0, 1)), -- 0 VMREAD, 1 VMWRITE
    PRIMARY KEY (recording_id, position)
) WITHOUT ROWID;
)sql"};

} // namespace shadowtune::db
