#include "db/schema.hpp"

namespace shadowtune::db {

// Version 8: how often what the shadow VMCS has to hold is another value.
const std::string_view schema_v8{R"sql(
-- Sparse and complete like access_count. Recordings made before version 8 have none.
CREATE TABLE change_count (
    snapshot_id INTEGER NOT NULL REFERENCES snapshot (id),
    vcpu        INTEGER NOT NULL,
    change      INTEGER NOT NULL CHECK (change IN (0, 1, 2, 3)), -- 0 at an exit: L1's first trapped VMREAD found another value;
                                                              -- 1 at a switch: the VMCS turned to has another value, estimated;
                                                              -- 2 the switches themselves: VMPTRLDs to another VMCS in round trips;
                                                              -- 3 round trips with a switch
    encoding    INTEGER NOT NULL, -- of the full field: even; 0 for 2 and 3
    reason      INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, vcpu, change, encoding, reason)
) WITHOUT ROWID;
)sql"};

} // namespace shadowtune::db
