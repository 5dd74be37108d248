#include "db/calibration.hpp"

#include "db/machines.hpp"
#include "db/rows.hpp"

#include <algorithm>
#include <array>

namespace shadowtune::db {

namespace {

constexpr std::array<std::string_view, quantity_count> quantity_names{
    "round trip",
    "trapped read",
    "trapped read, fetch",
    "trapped read, to memory",
    "trapped write",
    "trapped write, from memory",
    "trapped, walk entry",
    "trapped write, update",
    "dirty",
    "dirty, combined",
    "shadow read",
    "shadow write",
    "sync read",
    "sync read, changed",
    "sync write",
    "sync write, changed",
    "shadow",
    "switch, shadow",
    "switch, read",
    "switch, read changed",
    "switch, write",
    "switch, fetch",
    "exit and entry",
    "VMPTRLD",
    "VMCLEAR",
};

// The value of an enumeration from 0 to 3 that has this text; none for an empty text. `known` is false where
// there is none such.
template <typename Value>
[[nodiscard]] std::optional<Value> find_text(const std::string& text, bool& known) {
    if (text.empty()) return {};
    for (const auto value : {Value{0}, Value{1}, Value{2}, Value{3}}) {
        if (vmcs::text(value) == text) return value;
    }
    known = false;
    return {};
}

[[nodiscard]] Result<void, Error> read_figures(Database& database, Calibration& calibration) {
    return each_row(
        database,
        "SELECT quantity, type, width, median, lower_quartile, upper_quartile, least, most, repetitions "
        "FROM calibration_cost WHERE calibration_id = ?",
        [&](const Statement& row) -> Result<void, Error> {
            const auto quantity{find_quantity(row.text(0))};
            bool known{quantity.has_value()};
            const auto type{find_text<vmcs::Type>(row.text(1), known)};
            const auto width{find_text<vmcs::Width>(row.text(2), known)};
            if (!known) return {};
            calibration.figures.push_back({*quantity, type, width, row.real(3), row.real(4), row.real(5),
                                           row.real(6), row.real(7),
                                           static_cast<std::uint32_t>(row.integer(8))});
            return {};
        },
        calibration.id);
}

} // namespace

std::string_view text(Quantity quantity) {
    return quantity_names[static_cast<std::size_t>(quantity)];
}

std::optional<Quantity> find_quantity(std::string_view text) {
    const auto found{std::ranges::find(quantity_names, text)};
    if (found == quantity_names.end()) return {};
    return static_cast<Quantity>(found - quantity_names.begin());
}

Result<std::int64_t, Error> store_calibration(Database& database, const Calibration& calibration) {
    Connection& connection{database.connection()};
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    const auto machine{store_machine(connection, calibration.machine)};
    if (!machine) return Failure{machine.error()};
    auto insert{connection.prepare("INSERT INTO calibration VALUES (NULL, ?, ?, ?, ?, ?)")};
    if (!insert) return Failure{insert.error()};
    if (auto done{insert.value().run(machine.value(), calibration.cpu_model, calibration.tool_version,
                                     calibration.made_ms, calibration.unit)};
        !done) {
        return Failure{done.error()};
    }
    const std::int64_t id{connection.last_row()};
    auto figure{connection.prepare("INSERT INTO calibration_cost VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")};
    if (!figure) return Failure{figure.error()};
    for (const CostFigure& f : calibration.figures) {
        if (auto done{figure.value().run(id, text(f.quantity), f.type ? vmcs::text(*f.type) : "",
                                         f.width ? vmcs::text(*f.width) : "", f.median, f.lower_quartile,
                                         f.upper_quartile, f.least, f.most, f.repetitions)};
            !done) {
            return Failure{done.error()};
        }
    }
    if (auto done{transaction.value().commit()}; !done) return Failure{done.error()};
    return id;
}

Result<std::vector<Calibration>, Error> read_calibrations(Database& database) {
    std::vector<Calibration> all{};
    auto done{
        each_row(database,
                 "SELECT id, machine_id, cpu_model, tool_version, made_ms, unit FROM calibration ORDER BY id",
                 [&](const Statement& row) -> Result<void, Error> {
                     auto machine{read_machine(database, row.integer(1))};
                     if (!machine) return Failure{machine.error()};
                     all.push_back({row.integer(0),
                                    std::move(machine).value(),
                                    row.text(2),
                                    row.text(3),
                                    row.integer(4),
                                    row.text(5),
                                    {}});
                     return read_figures(database, all.back());
                 })};
    if (!done) return Failure{done.error()};
    return all;
}

} // namespace shadowtune::db
