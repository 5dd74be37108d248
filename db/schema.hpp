#pragma once

// The versions of the file. A file carries its version in user_version and our mark in application_id; a
// newer shadowtune moves an older file forward, step by step, in one transaction, and never writes to a newer
// one.

#include "db/sqlite.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::db {

// "STun": what `file` and others use to tell our files from those of other programs.
inline constexpr std::int64_t application_id{0x5354756E};

// Step i brings a file of version i to version i + 1; version 0 is an empty file. A step that was released is
// never edited again: a change of the schema is a new step.
struct Migration {
    std::string_view sql;
};

[[nodiscard]] std::span<const Migration> migrations();
[[nodiscard]] inline std::int64_t schema_version() {
    return static_cast<std::int64_t>(migrations().size());
}

// What opening must know before it writes anything.
enum class FileState : std::uint8_t { empty, older, current };

// Errors: foreign, newer, damaged, not_a_database. Reads only. `steps` is a parameter so that tests can play
// a future.
[[nodiscard]] Result<FileState, Error> inspect(Connection& connection, std::span<const Migration> steps);

// Brings the file to steps.size(), all or nothing. The caller has inspected it. Does nothing for a current
// file.
[[nodiscard]] Result<void, Error> migrate(Connection& connection, std::span<const Migration> steps);

// Writes the tables that mirror the program's own: the field catalogue and the exit reasons. No-op where they
// agree.
[[nodiscard]] Result<void, Error> write_names(Connection& connection);

extern const std::string_view schema_v1;
extern const std::string_view schema_v2;
extern const std::string_view schema_v3;
extern const std::string_view schema_v4;
extern const std::string_view schema_v5;
extern const std::string_view schema_v6;
extern const std::string_view schema_v7;
extern const std::string_view schema_v8;
extern const std::string_view schema_v9;

} // namespace shadowtune::db
