#include "db/schema.hpp"

namespace shadowtune::db {

// Version 7: which fields' operands lie in memory, and how deep L1's paging structures are there.
const std::string_view schema_v7{R"sql(
ALTER TABLE access_count ADD COLUMN in_memory INTEGER NOT NULL DEFAULT 0; -- of these; not counted before version 7
ALTER TABLE snapshot_vcpu ADD COLUMN walk_entries INTEGER NOT NULL DEFAULT 0; -- likewise; read for all operands in memory
)sql"};

} // namespace shadowtune::db
