#pragma once

// The machines that recordings and calibrations belong to, for db/ alone.

#include "db/database.hpp"
#include "db/records.hpp"

namespace shadowtune::db {

// Its id; a machine is stored once for each boot.
[[nodiscard]] Result<std::int64_t, Error> store_machine(Connection& connection, const Machine& machine);

[[nodiscard]] Result<Machine, Error> read_machine(Database& database, std::int64_t id);

} // namespace shadowtune::db
