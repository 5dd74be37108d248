#pragma once

// A thin RAII skin over SQLite's C interface: connection, prepared statement, transaction. Only db/ includes
// it.

#include "db/error.hpp"
#include "vmcs/result.hpp"

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

struct sqlite3;
struct sqlite3_stmt;

namespace shadowtune::db {

// One prepared statement. Columns are valid after step() said true and until the next step() or run().
class Statement {
public:
    // Binds all parameters in order, from ?1.
    template <typename... Values>
    void bind(const Values&... values) {
        reset();
        int position{0};
        (bind_one(++position, values), ...);
    }

    // True: a row is there. False: done.
    [[nodiscard]] Result<bool, Error> step();

    // Binds and steps once, for statements that give no rows.
    template <typename... Values>
    [[nodiscard]] Result<void, Error> run(const Values&... values) {
        bind(values...);
        auto stepped{step()};
        reset();
        if (!stepped) return Failure{stepped.error()};
        return {};
    }

    [[nodiscard]] std::int64_t integer(int column) const;
    // SQLite's integers are signed: 64-bit masks, MSRs and counters keep their bits.
    [[nodiscard]] std::uint64_t bits(int column) const {
        return std::bit_cast<std::uint64_t>(integer(column));
    }
    [[nodiscard]] double real(int column) const;
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] bool is_null(int column) const;

private:
    friend class Connection;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };

    void reset();
    void bind_integer(int position, std::int64_t value);
    void bind_real(int position, double value);
    void bind_text(int position, std::string_view value);

    template <typename Value>
    void bind_one(int position, const Value& value) {
        if constexpr (std::is_same_v<Value, std::uint64_t>) {
            bind_integer(position, std::bit_cast<std::int64_t>(value));
        } else if constexpr (std::is_integral_v<Value>) {
            bind_integer(position, static_cast<std::int64_t>(value));
        } else if constexpr (std::is_floating_point_v<Value>) {
            bind_real(position, value);
        } else {
            bind_text(position, value);
        }
    }

    std::unique_ptr<sqlite3_stmt, Finalize> m_statement;
    std::string m_path; // for error lines
};

class Connection {
public:
    enum class Access : std::uint8_t {
        read,
        read_immutable, // a read-only folder: no lock, no -shm file; only where nobody can be writing
        write,
        create,
    };

    [[nodiscard]] static Result<Connection, Error> open(const std::string& path, Access access);

    // One or more statements without rows of interest.
    [[nodiscard]] Result<void, Error> execute(const std::string& sql);
    [[nodiscard]] Result<Statement, Error> prepare(std::string_view sql);
    // The first column of the first row; 0 where there is no row.
    [[nodiscard]] Result<std::int64_t, Error> integer(std::string_view sql);
    [[nodiscard]] std::int64_t last_row() const;
    [[nodiscard]] const std::string& path() const { return m_path; }

private:
    struct Close {
        void operator()(sqlite3* database) const;
    };

    std::unique_ptr<sqlite3, Close> m_database;
    std::string m_path;
};

// BEGIN IMMEDIATE ... COMMIT; rolled back where commit() was not reached.
class Transaction {
public:
    [[nodiscard]] static Result<Transaction, Error> begin(Connection& connection);
    // Nothing where it was moved from, or is committed.
    [[nodiscard]] Result<void, Error> commit();

    Transaction() = default;
    Transaction(Transaction&& other) noexcept : m_connection{other.m_connection} {
        other.m_connection = nullptr;
    }
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

private:
    Connection* m_connection{nullptr};
};

} // namespace shadowtune::db
