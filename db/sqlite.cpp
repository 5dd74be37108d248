#include "db/sqlite.hpp"

#include <sqlite3.h>

namespace shadowtune::db {

namespace {

// Another process may hold the write lock for the length of one snapshot's transaction, not longer.
constexpr int busy_timeout_ms{5000};

// One line that names the file and the mend; SQLite's own words only where nothing better is known.
[[nodiscard]] Error explain(int code, const std::string& path, const char* detail) {
    switch (code & 0xFF) {
    case SQLITE_NOTADB:
        return {ErrorKind::not_a_database,
                path + ": not a shadowtune database; give a file made by 'shadowtune record'"};
    case SQLITE_CORRUPT:
        return {ErrorKind::damaged, path + ": the database is damaged (" + detail +
                                        "); try 'sqlite3 FILE .recover', or record again"};
    case SQLITE_READONLY:
        return {ErrorKind::read_only, path + ": cannot be written; make the file and its folder writable"};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return {ErrorKind::cannot_open,
                path + ": cannot be opened; check the path and the permissions of file and folder"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return {ErrorKind::busy,
                path + ": another process writes to it; wait until it is done, or use another file"};
    case SQLITE_FULL:
        return {ErrorKind::no_space, path + ": no space left on the disk; free some, or use another disk"};
    case SQLITE_IOERR:
        return {ErrorKind::cannot_open,
                path + ": reading or writing failed (" + detail + "); check the disk"};
    default: return {ErrorKind::damaged, path + ": " + detail};
    }
}

// A file name may hold any character; a URI may not (RFC 3986, section 2.1).
[[nodiscard]] std::string as_uri(const std::string& path, std::string_view query) {
    constexpr std::string_view hex{"0123456789ABCDEF"};
    std::string uri{"file:"};
    for (const char c : path) {
        const auto byte{static_cast<unsigned char>(c)};
        const bool plain{(byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= '0' && byte <= '9') || c == '/' || c == '.' || c == '-' || c == '_'};
        if (plain) {
            uri += c;
        } else {
            uri += {'%', hex[byte >> 4], hex[byte & 15U]};
        }
    }
    return uri.append(query);
}

} // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

void Statement::reset() {
    // The result repeats the last step's error, which step() has reported already.
    sqlite3_reset(m_statement.get());
    sqlite3_clear_bindings(m_statement.get());
}

Result<bool, Error> Statement::step() {
    const int code{sqlite3_step(m_statement.get())};
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return Failure{explain(code, m_path, sqlite3_errmsg(sqlite3_db_handle(m_statement.get())))};
}

void Statement::bind_integer(int position, std::int64_t value) {
    sqlite3_bind_int64(m_statement.get(), position, value);
}

void Statement::bind_real(int position, double value) {
    sqlite3_bind_double(m_statement.get(), position, value);
}

void Statement::bind_text(int position, std::string_view value) {
    // SQLITE_TRANSIENT is a C cast, which -Wold-style-cast forbids; the same value by the named destructor
    // type.
    const auto copy{reinterpret_cast<sqlite3_destructor_type>(std::intptr_t{-1})};
    sqlite3_bind_text64(m_statement.get(), position, value.data() == nullptr ? "" : value.data(),
                        value.size(), copy, SQLITE_UTF8);
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(m_statement.get(), column);
}

double Statement::real(int column) const {
    return sqlite3_column_double(m_statement.get(), column);
}

std::string Statement::text(int column) const {
    const unsigned char* begin{sqlite3_column_text(m_statement.get(), column)};
    if (begin == nullptr) return {};
    const auto size{static_cast<std::size_t>(sqlite3_column_bytes(m_statement.get(), column))};
    return std::string{reinterpret_cast<const char*>(begin), size};
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(m_statement.get(), column) == SQLITE_NULL;
}

// close_v2 waits for statements that are still alive, so the order of destruction does not matter.
void Connection::Close::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

Result<Connection, Error> Connection::open(const std::string& path, Access access) {
    int flags{SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE};
    switch (access) {
    case Access::read:
    case Access::read_immutable: flags |= SQLITE_OPEN_READONLY; break;
    case Access::write: flags |= SQLITE_OPEN_READWRITE; break;
    case Access::create: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE; break;
    }
    const std::string uri{as_uri(path, access == Access::read_immutable ? "?immutable=1" : "")};
    sqlite3* raw{nullptr};
    const int code{sqlite3_open_v2(uri.c_str(), &raw, flags, nullptr)};
    Connection connection{};
    connection.m_database.reset(raw);
    connection.m_path = path;
    if (code != SQLITE_OK) {
        return Failure{explain(code, path, raw == nullptr ? "out of memory" : sqlite3_errmsg(raw))};
    }
    sqlite3_busy_timeout(raw, busy_timeout_ms);
    return connection;
}

Result<void, Error> Connection::execute(const std::string& sql) {
    const int code{sqlite3_exec(m_database.get(), sql.c_str(), nullptr, nullptr, nullptr)};
    if (code != SQLITE_OK) return Failure{explain(code, m_path, sqlite3_errmsg(m_database.get()))};
    return {};
}

Result<Statement, Error> Connection::prepare(std::string_view sql) {
    sqlite3_stmt* raw{nullptr};
    const int code{sqlite3_prepare_v3(m_database.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr)};
    if (code != SQLITE_OK) return Failure{explain(code, m_path, sqlite3_errmsg(m_database.get()))};
    Statement statement{};
    statement.m_statement.reset(raw);
    statement.m_path = m_path;
    return statement;
}

Result<std::int64_t, Error> Connection::integer(std::string_view sql) {
    auto statement{prepare(sql)};
    if (!statement) return Failure{statement.error()};
    auto row{statement.value().step()};
    if (!row) return Failure{row.error()};
    return row.value() ? statement.value().integer(0) : 0;
}

std::int64_t Connection::last_row() const {
    return sqlite3_last_insert_rowid(m_database.get());
}

Result<Transaction, Error> Transaction::begin(Connection& connection) {
    // IMMEDIATE: a second writer is told now, not at its first INSERT.
    if (auto begun{connection.execute("BEGIN IMMEDIATE")}; !begun) return Failure{begun.error()};
    Transaction transaction{};
    transaction.m_connection = &connection;
    return transaction;
}

Result<void, Error> Transaction::commit() {
    if (m_connection == nullptr) return {};
    auto committed{m_connection->execute("COMMIT")};
    if (committed) m_connection = nullptr;
    return committed;
}

Transaction::~Transaction() {
    // Where the error itself rolled back already, this fails harmlessly.
    if (m_connection != nullptr) (void)m_connection->execute("ROLLBACK");
}

} // namespace shadowtune::db
