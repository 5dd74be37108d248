#pragma once

// Why something in the store did not work. The message is one line for people: what failed, where, and the
// mend.

#include <cstdint>
#include <string>

namespace shadowtune::db {

enum class ErrorKind : std::uint8_t {
    cannot_open,    // no such file, no permission, not a regular file
    not_a_database, // another kind of file
    foreign,        // SQLite, but of another program
    newer,          // written by a newer shadowtune
    damaged,        // truncated or inconsistent
    read_only,      // must be written and cannot be
    busy,           // another process writes
    no_space,       // disk or quota
    bad_data,       // the caller's data contradicts itself or what is stored
    not_found,      // no such recording or snapshot
};

struct Error {
    ErrorKind kind{};
    std::string message;
};

} // namespace shadowtune::db
