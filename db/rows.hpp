#pragma once

// Reading rows of a query, for db/ alone.

#include "db/database.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace shadowtune::db {

// What another program may have written: numbers out of range must not become indices.
[[nodiscard]] inline Failure<Error> damaged(const Database& database, const std::string& words) {
    return Failure{Error{ErrorKind::damaged, database.path() + ": " + words + "; record again"}};
}

using Visit = std::function<Result<void, Error>(const Statement&)>;

// Prepares, binds, and calls visit for each row.
template <typename... Values>
[[nodiscard]] Result<void, Error> each_row(Database& database, std::string_view sql, const Visit& visit,
                                           const Values&... values) {
    auto rows{database.connection().prepare(sql)};
    if (!rows) return Failure{rows.error()};
    rows.value().bind(values...);
    while (true) {
        auto row{rows.value().step()};
        if (!row) return Failure{row.error()};
        if (!row.value()) return {};
        if (auto done{visit(rows.value())}; !done) return done;
    }
}

} // namespace shadowtune::db
