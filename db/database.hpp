#pragma once

// An open shadowtune database. Opening checks that the file is ours and whole before anything is written to
// it.

#include "db/schema.hpp"

#include <cstdint>
#include <filesystem>

namespace shadowtune::db {

enum class OpenMode : std::uint8_t {
    read,   // must exist; works on read-only files and folders
    append, // made where it does not exist
};

// Whether the file begins with SQLite's own mark; false for a file that is not there, too.
[[nodiscard]] bool is_database(const std::filesystem::path& path);

class Database {
public:
    // Errors: every ErrorKind but bad_data and not_found. The file is unchanged after an error. A file of an
    // older version is moved forward, in read mode too.
    [[nodiscard]] static Result<Database, Error> open(const std::filesystem::path& path, OpenMode mode);

    [[nodiscard]] Connection& connection() { return m_connection; }
    [[nodiscard]] const std::string& path() const { return m_connection.path(); }

private:
    Connection m_connection;
};

} // namespace shadowtune::db
