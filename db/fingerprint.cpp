// A recording's fingerprint: written and read.

#include "db/recording_reader.hpp"
#include "db/recording_writer.hpp"
#include "db/rows.hpp"

namespace shadowtune::db {

Result<void, Error> RecordingWriter::fingerprint(const Fingerprint& fingerprint) {
    Connection& connection{m_database->connection()};
    if (auto done{commit()}; !done) return done;
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    auto insert{connection.prepare("INSERT INTO fingerprint VALUES (?, ?, ?, ?, ?, ?, ?, ?)")};
    if (!insert) return Failure{insert.error()};
    const vmcs::Fingerprint& seen{fingerprint.seen};
    const vmcs::LaunchControls& controls{seen.controls};
    if (auto done{insert.value().run(m_id, fingerprint.hidden ? "hidden" : "seen", controls.pin,
                                     controls.primary, controls.secondary, controls.exit, controls.entry,
                                     controls.tertiary)};
        !done) {
        return done;
    }
    auto access{connection.prepare("INSERT INTO fingerprint_access VALUES (?, ?, ?, ?)")};
    if (!access) return Failure{access.error()};
    for (std::size_t i{0}; i < seen.size(); ++i) {
        const auto [field, write]{seen[i]};
        const Access kind{write ? Access::write : Access::read};
        auto done{access.value().run(m_id, i + 1, vmcs::catalogue[field].encoding, static_cast<int>(kind))};
        if (!done) return done;
    }
    return transaction.value().commit();
}

Result<std::optional<Fingerprint>, Error> RecordingReader::fingerprint() const {
    std::optional<Fingerprint> found{};
    auto done{each_row(
        *m_database,
        "SELECT state, pin_based_controls, primary_controls, secondary_controls, vm_exit_controls, "
        "vm_entry_controls, tertiary_controls FROM fingerprint WHERE recording_id = ?",
        [&](const Statement& row) -> Result<void, Error> {
            const auto control{[&](int column) { return static_cast<std::uint32_t>(row.integer(column)); }};
            found.emplace();
            found->hidden = row.text(0) != "seen";
            found->seen.controls = {control(1), control(2), control(3), control(4), control(5), row.bits(6)};
            return {};
        },
        m_info.id)};
    if (!done) return Failure{done.error()};
    if (!found) return found;
    found->seen.offered = m_machine.offered_fields;
    done = each_row(
        *m_database,
        "SELECT encoding, access FROM fingerprint_access WHERE recording_id = ? ORDER BY position",
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(0))};
            // A field of another catalogue is left out, as it is of the machine's sets.
            if (field == vmcs::no_field) return {};
            const bool write{row.integer(1) != static_cast<int>(Access::read)};
            if (found->seen.add({field, write})) return {};
            return damaged(*m_database, "a fingerprint has an access twice");
        },
        m_info.id);
    if (!done) return Failure{done.error()};
    return found;
}

} // namespace shadowtune::db
