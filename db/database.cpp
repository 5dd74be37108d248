#include "db/database.hpp"

#include "vmcs/catalogue.hpp"

#include <fstream>
#include <string_view>
#include <system_error>

namespace shadowtune::db {

namespace {

namespace fs = std::filesystem;

[[nodiscard]] Failure<Error> fail(ErrorKind kind, const std::string& path, std::string_view words) {
    return Failure{Error{kind, path + ": " + std::string{words}}};
}

// SQLite's own messages about these are vague, and it would create a file where a typing error was meant.
[[nodiscard]] Result<void, Error> check_path(const fs::path& path, OpenMode mode) {
    const std::string name{path.string()};
    std::error_code problem{};
    const fs::file_status status{fs::status(path, problem)};
    if (status.type() == fs::file_type::directory) {
        return fail(ErrorKind::cannot_open, name, "is a folder; give the name of a file in it");
    }
    if (status.type() == fs::file_type::regular) return {};
    if (status.type() != fs::file_type::not_found) {
        return fail(ErrorKind::cannot_open, name, "cannot be opened; check the permissions of its folder");
    }
    if (mode == OpenMode::read) {
        return fail(ErrorKind::cannot_open, name,
                    "no such file; make one with 'shadowtune record --db FILE'");
    }
    const fs::path folder{path.has_parent_path() ? path.parent_path() : fs::path{"."}};
    if (!fs::is_directory(folder, problem)) {
        return fail(ErrorKind::cannot_open, name, "its folder does not exist; make it first");
    }
    return {};
}

// SQLite meets a missing page only when it needs it; a cut file shall be told at once.
[[nodiscard]] Result<void, Error> check_length(Connection& connection) {
    auto pages{connection.integer("PRAGMA page_count")};
    if (!pages) return Failure{pages.error()};
    auto size{connection.integer("PRAGMA page_size")};
    if (!size) return Failure{size.error()};
    std::error_code problem{};
    // With pages in a write-ahead log, the file itself may lawfully be shorter than the database. Reading
    // makes an empty log.
    if (const auto logged{fs::file_size(connection.path() + "-wal", problem)}; !problem && logged != 0)
        return {};
    const auto bytes{fs::file_size(connection.path(), problem)};
    if (!problem && bytes < static_cast<std::uintmax_t>(pages.value() * size.value())) {
        return fail(ErrorKind::damaged, connection.path(),
                    "the file is cut short; copy it again, or record again");
    }
    return {};
}

[[nodiscard]] Result<Connection, Error> open_for_reading(const std::string& name) {
    auto connection{Connection::open(name, Connection::Access::read)};
    if (!connection) return connection;
    auto first{connection.value().integer("SELECT count(*) FROM sqlite_schema")};
    if (first) return connection;
    // A WAL database in a folder where no -shm file can be made. Without a log nobody writes, so it may be
    // read as is.
    std::error_code problem{};
    const bool blocked{first.error().kind == ErrorKind::cannot_open ||
                       first.error().kind == ErrorKind::read_only};
    if (!blocked || fs::exists(name + "-wal", problem)) return Failure{first.error()};
    auto immutable{Connection::open(name, Connection::Access::read_immutable)};
    if (!immutable) return immutable;
    if (auto again{immutable.value().integer("SELECT count(*) FROM sqlite_schema")}; !again) {
        return Failure{again.error()};
    }
    return immutable;
}

// Does the catalogue table say what this program's catalogue says?
[[nodiscard]] Result<bool, Error> names_agree(Connection& connection) {
    auto rows{connection.prepare("SELECT encoding, symbol FROM field ORDER BY encoding")};
    if (!rows) return Failure{rows.error()};
    std::size_t i{0};
    while (true) {
        auto row{rows.value().step()};
        if (!row) return Failure{row.error()};
        if (!row.value()) return i == vmcs::field_count;
        if (i == vmcs::field_count || rows.value().integer(0) != vmcs::catalogue[i].encoding ||
            rows.value().text(1) != vmcs::catalogue[i].symbol) {
            return false;
        }
        ++i;
    }
}

[[nodiscard]] Result<void, Error> bring_forward(Connection& connection) {
    // WAL: readers (the GUI) and the recorder do not block each other. FULL: a snapshot survives a power cut
    // too.
    if (auto done{connection.execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")};
        !done) {
        return done;
    }
    if (auto done{migrate(connection, migrations())}; !done) return done;
    auto agree{names_agree(connection)};
    if (!agree) return Failure{agree.error()};
    return agree.value() ? Result<void, Error>{} : write_names(connection);
}

} // namespace

// "The SQLite Database File", section 1.3.
bool is_database(const fs::path& path) {
    char begin[15]{};
    std::ifstream{path, std::ios::binary}.read(begin, sizeof(begin));
    return std::string_view{begin, sizeof(begin)} == "SQLite format 3";
}

Result<Database, Error> Database::open(const fs::path& path, OpenMode mode) {
    const std::string name{path.string()};
    if (auto checked{check_path(path, mode)}; !checked) return Failure{checked.error()};

    auto opened{mode == OpenMode::read ? open_for_reading(name)
                                       : Connection::open(name, Connection::Access::create)};
    if (!opened) return Failure{opened.error()};
    Database database{};
    database.m_connection = std::move(opened).value();
    auto& connection{database.m_connection};

    auto state{inspect(connection, migrations())};
    if (!state) return Failure{state.error()};
    if (auto whole{check_length(connection)}; !whole) return Failure{whole.error()};
    if (mode == OpenMode::append) {
        if (auto done{bring_forward(connection)}; !done) return Failure{done.error()};
        return database;
    }
    if (state.value() == FileState::empty) {
        return fail(ErrorKind::not_a_database, name,
                    "is empty; make a recording with 'shadowtune record --db FILE'");
    }
    if (state.value() == FileState::older) {
        auto writable{Connection::open(name, Connection::Access::write)};
        if (!writable) return Failure{writable.error()};
        if (auto done{bring_forward(writable.value())}; !done) return Failure{done.error()};
    }
    return database;
}

} // namespace shadowtune::db
