#include "db/decisions.hpp"

#include "db/rows.hpp"

namespace shadowtune::db {

Result<void, Error> add_decision(Database& database, std::int64_t recording, const Decision& decision) {
    Connection& connection{database.connection()};
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    auto insert{connection.prepare("INSERT INTO decision SELECT ?1, 1 + coalesce(max(number), 0), ?2, ?3, "
                                   "?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 "
                                   "FROM decision WHERE recording_id = ?1")};
    if (!insert) return Failure{insert.error()};
    const Decision& d{decision};
    if (auto done{insert.value().run(recording, d.at_ms, d.snapshot, d.round_trips, d.gone_by, d.action,
                                     d.generation, d.trapped, d.gain, d.unit, d.words)};
        !done)
        return done;
    auto change{connection.prepare("INSERT INTO decision_change "
                                   "SELECT ?1, max(number), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 "
                                   "FROM decision WHERE recording_id = ?1")};
    if (!change) return Failure{change.error()};
    for (const DecisionChange& c : d.changes) {
        auto done{change.value().run(recording, vmcs::catalogue[c.field].encoding, c.before, c.after,
                                     c.reads.estimate, c.reads.low, c.reads.high, c.writes.estimate,
                                     c.writes.low, c.writes.high)};
        if (!done) return done;
    }
    return transaction.value().commit();
}

Result<std::vector<Decision>, Error> read_decisions(Database& database, std::int64_t recording) {
    std::vector<Decision> decisions{};
    auto done{each_row(
        database,
        "SELECT at_ms, snapshot, round_trips, gone_by, action, generation, trapped, gain, unit, words "
        "FROM decision WHERE recording_id = ? ORDER BY number",
        [&](const Statement& row) -> Result<void, Error> {
            decisions.push_back({row.integer(0),
                                 static_cast<std::uint32_t>(row.integer(1)),
                                 row.bits(2),
                                 row.bits(3),
                                 row.text(4),
                                 static_cast<std::uint32_t>(row.integer(5)),
                                 row.real(6),
                                 row.real(7),
                                 row.text(8),
                                 row.text(9),
                                 {}});
            return {};
        },
        recording)};
    if (!done) return Failure{done.error()};
    done = each_row(
        database,
        "SELECT number, encoding, before, after, reads, reads_low, reads_high, writes, writes_low, "
        "writes_high "
        "FROM decision_change WHERE recording_id = ? ORDER BY number, encoding",
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(1))};
            if (field == vmcs::no_field || row.bits(0) - 1 >= decisions.size())
                return damaged(database,
                               "a decision is about an unknown field, or there is no such decision");
            decisions[row.bits(0) - 1].changes.push_back({field,
                                                          row.text(2),
                                                          row.text(3),
                                                          {row.real(4), row.real(5), row.real(6)},
                                                          {row.real(7), row.real(8), row.real(9)}});
            return {};
        },
        recording);
    if (!done) return Failure{done.error()};
    return decisions;
}

} // namespace shadowtune::db
