#include "db/schema.hpp"

#include "vmcs/catalogue.hpp"
#include "vmcs/exit_reason.hpp"

namespace shadowtune::db {

namespace {

[[nodiscard]] std::string_view text(vmcs::Shadowing rule) {
    if (vmcs::may_shadow_write(rule)) return "read and write";
    return vmcs::may_shadow_read(rule) ? "read" : "never";
}

[[nodiscard]] std::string versions(std::int64_t file, std::size_t own) {
    return "(the file has schema " + std::to_string(file) + ", this shadowtune knows up to " +
           std::to_string(own) + ")";
}

} // namespace

std::span<const Migration> migrations() {
    static const Migration steps[]{{schema_v1}, {schema_v2}, {schema_v3}, {schema_v4}, {schema_v5},
                                   {schema_v6}, {schema_v7}, {schema_v8}, {schema_v9}};
    return steps;
}

Result<FileState, Error> inspect(Connection& connection, std::span<const Migration> steps) {
    auto id{connection.integer("PRAGMA application_id")};
    if (!id) return Failure{id.error()};
    auto version{connection.integer("PRAGMA user_version")};
    if (!version) return Failure{version.error()};
    auto objects{connection.integer("SELECT count(*) FROM sqlite_schema")};
    if (!objects) return Failure{objects.error()};

    if (id.value() == 0 && version.value() == 0 && objects.value() == 0) return FileState::empty;
    if (id.value() != application_id) {
        return Failure{
            Error{ErrorKind::foreign, connection.path() +
                                          ": an SQLite database of another program; give a file made by "
                                          "'shadowtune record', or a new name"}};
    }
    const auto newest{static_cast<std::int64_t>(steps.size())};
    if (version.value() > newest) {
        return Failure{Error{ErrorKind::newer, connection.path() + ": made by a newer shadowtune " +
                                                   versions(version.value(), steps.size()) +
                                                   "; update shadowtune"}};
    }
    // Our mark is set in the same transaction as the first step, so it cannot stand alone in a whole file.
    if (version.value() <= 0) {
        return Failure{
            Error{ErrorKind::damaged, connection.path() + ": the schema version is missing; record again"}};
    }
    return version.value() < newest ? FileState::older : FileState::current;
}

Result<void, Error> migrate(Connection& connection, std::span<const Migration> steps) {
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    // Read again under the write lock: another process may have been faster.
    auto version{connection.integer("PRAGMA user_version")};
    if (!version) return Failure{version.error()};
    for (auto step{static_cast<std::size_t>(version.value())}; step < steps.size(); ++step) {
        if (auto done{connection.execute(std::string{steps[step].sql})}; !done) return done;
    }
    const std::string marks{"PRAGMA application_id = " + std::to_string(application_id) +
                            "; PRAGMA user_version = " + std::to_string(steps.size())};
    if (auto done{connection.execute(marks)}; !done) return done;
    return transaction.value().commit();
}

Result<void, Error> write_names(Connection& connection) {
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    // A symbol may have moved to another encoding between catalogues; the unique constraint must not see
    // both.
    if (auto done{connection.execute("DELETE FROM field; DELETE FROM exit_reason")}; !done) return done;
    auto field{connection.prepare("INSERT INTO field VALUES (?, ?, ?, ?, ?, ?, ?)")};
    if (!field) return Failure{field.error()};
    for (const auto& info : vmcs::catalogue) {
        auto done{field.value().run(info.encoding, info.symbol, info.name, vmcs::text(info.width),
                                    vmcs::text(info.type), text(info.shadowing),
                                    vmcs::reason(info.shadowing))};
        if (!done) return done;
    }
    auto reason{connection.prepare("INSERT INTO exit_reason VALUES (?, ?)")};
    if (!reason) return Failure{reason.error()};
    for (std::size_t number{0}; number < vmcs::reason_slots; ++number) {
        if (auto done{reason.value().run(number, vmcs::exit_reason_names[number])}; !done) return done;
    }
    return transaction.value().commit();
}

} // namespace shadowtune::db
