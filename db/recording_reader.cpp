#include "db/recording_reader.hpp"

#include "db/machines.hpp"
#include "db/rows.hpp"
#include "db/snapshot_totals.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace shadowtune::db {

namespace {

[[nodiscard]] Failure<Error> not_found(const Database& database, const std::string& words) {
    return Failure{Error{ErrorKind::not_found, database.path() + ": " + words}};
}

[[nodiscard]] RecordingInfo info_of(const Statement& row) {
    RecordingInfo info{};
    info.id = row.integer(0);
    info.labels = {row.text(1), row.text(2), row.text(3), row.text(4), row.text(5)};
    info.started_ms = row.integer(6);
    if (!row.is_null(7)) info.ended_ms = row.integer(7);
    info.snapshots = static_cast<std::uint32_t>(row.integer(8));
    return info;
}

constexpr std::string_view select_recordings{
    "SELECT r.id, r.l1_kind, r.l1_name, r.workload, r.cpu_model, r.tool_version, r.started_ms, r.ended_ms, "
    "(SELECT count(*) FROM snapshot s WHERE s.recording_id = r.id), r.machine_id FROM recording r "};

// For "?N < 0 OR vcpu = ?N".
[[nodiscard]] std::int64_t vcpu_of(const Totals& totals) {
    return totals.vcpu ? std::int64_t{*totals.vcpu} : -1;
}

[[nodiscard]] Mode mode_of(std::string_view name) {
    for (const Mode mode : {Mode::trap, Mode::tuned}) {
        if (name == text(mode)) return mode;
    }
    return Mode::sample;
}

// Of each vCPU's counters in a table, by `keys`, at the end of the range and, negative, at its beginning:
// rows of the keys and the counts. Counts never go back, so the value at a snapshot is the largest since a
// complete one. Parameters: recording, the range, the complete snapshots at or before its ends, vCPU or -1.
[[nodiscard]] std::string differences_in(std::string_view table, std::string_view keys,
                                         std::initializer_list<std::string_view> counts) {
    const auto at_end = [&](std::string_view sign, std::string_view sequences) {
        std::string text{"SELECT "};
        text += keys;
        for (const std::string_view count : counts)
            text.append(", ").append(sign).append("max(c.").append(count).append(") AS ").append(count);
        text.append(" FROM snapshot s CROSS JOIN ").append(table).append(" c ON c.snapshot_id = s.id");
        text.append(" WHERE s.recording_id = ?1 AND s.sequence BETWEEN ").append(sequences);
        text.append(" AND (?6 < 0 OR c.vcpu = ?6) GROUP BY c.vcpu, ").append(keys);
        return text;
    };
    return at_end("", "?5 AND ?3") + " UNION ALL " + at_end("-", "?4 AND ?2");
}

} // namespace

Result<std::vector<RecordingInfo>, Error> RecordingReader::list(Database& database) {
    std::vector<RecordingInfo> recordings{};
    auto done{each_row(database, std::string{select_recordings} + "ORDER BY r.id",
                       [&](const Statement& row) -> Result<void, Error> {
                           recordings.push_back(info_of(row));
                           return {};
                       })};
    if (!done) return Failure{done.error()};
    return recordings;
}

Result<RecordingReader, Error> RecordingReader::open(Database& database, std::int64_t id) {
    RecordingReader reader{};
    reader.m_database = &database;
    std::int64_t machine_id{0};
    auto done{each_row(
        database, std::string{select_recordings} + "WHERE ?1 = 0 OR r.id = ?1 ORDER BY r.id DESC LIMIT 1",
        [&](const Statement& row) -> Result<void, Error> {
            reader.m_info = info_of(row);
            machine_id = row.integer(9);
            return {};
        },
        id)};
    if (!done) return Failure{done.error()};
    if (reader.m_info.id == 0) {
        return id == 0 ? not_found(database, "holds no recording; make one with 'shadowtune record'")
                       : not_found(database, "has no recording " + std::to_string(id) +
                                                 "; 'shadowtune report FILE --list' names those it has");
    }
    auto machine{read_machine(database, machine_id)};
    if (!machine) return Failure{machine.error()};
    reader.m_machine = std::move(machine).value();
    return reader;
}

Result<std::vector<Generation>, Error> RecordingReader::generations() const {
    std::vector<Generation> generations{};
    auto done{each_row(
        *m_database,
        "SELECT number, mode, sample_interval, profile_name FROM generation WHERE recording_id = ? "
        "ORDER BY number",
        [&](const Statement& row) -> Result<void, Error> {
            generations.push_back({static_cast<std::uint32_t>(row.integer(0)),
                                   mode_of(row.text(1)),
                                   static_cast<std::uint16_t>(row.integer(2)),
                                   row.text(3),
                                   {}});
            return {};
        },
        m_info.id)};
    if (!done) return Failure{done.error()};
    for (auto& generation : generations) {
        done = each_row(
            *m_database,
            "SELECT encoding, read_shadowed, write_shadowed FROM generation_field "
            "WHERE recording_id = ? AND generation = ?",
            [&](const Statement& row) -> Result<void, Error> {
                const vmcs::FieldIndex field{vmcs::find(row.bits(0))};
                if (field == vmcs::no_field) return damaged(*m_database, "a generation has an unknown field");
                if (row.integer(1) != 0) generation.sets.read.set(field);
                if (row.integer(2) != 0) generation.sets.write.set(field);
                return {};
            },
            m_info.id, generation.number);
        if (!done) return Failure{done.error()};
    }
    return generations;
}

Result<SnapshotRange, Error> RecordingReader::whole() const {
    if (m_info.snapshots < 2) {
        return not_found(*m_database, "recording " + std::to_string(m_info.id) + " has " +
                                          std::to_string(m_info.snapshots) +
                                          " snapshots, and rates need two; record for longer");
    }
    return SnapshotRange{1, m_info.snapshots};
}

Result<Totals, Error> RecordingReader::totals(SnapshotRange range, std::optional<std::uint16_t> vcpu) const {
    if (range.to <= range.from || range.to > m_info.snapshots) {
        return not_found(*m_database, "recording " + std::to_string(m_info.id) + " has snapshots 1 to " +
                                          std::to_string(m_info.snapshots) + ", not the range " +
                                          std::to_string(range.from) + " to " + std::to_string(range.to));
    }
    Totals totals{};
    if (vcpu && *vcpu >= m_machine.vcpus) {
        return not_found(*m_database, "the machine of recording " + std::to_string(m_info.id) + " has " +
                                          std::to_string(m_machine.vcpus) + " vCPUs, and no vCPU " +
                                          std::to_string(*vcpu));
    }
    totals.range = range;
    totals.vcpu = vcpu;
    const auto from{complete_before(range.from)};
    if (!from) return Failure{from.error()};
    const auto to{complete_before(range.to)};
    if (!to) return Failure{to.error()};
    const SnapshotRange starts{from.value(), to.value()};
    if (auto done{read_accesses(totals, starts)}; !done) return Failure{done.error()};
    if (auto done{read_round_trips(totals, starts)}; !done) return Failure{done.error()};
    if (auto done{read_sampled(totals, starts)}; !done) return Failure{done.error()};
    if (auto done{read_changes(totals, starts)}; !done) return Failure{done.error()};
    if (auto done{read_modes(totals)}; !done) return Failure{done.error()};
    if (auto done{read_scalars(totals)}; !done) return Failure{done.error()};
    return totals;
}

Result<std::uint32_t, Error> RecordingReader::complete_before(std::uint32_t sequence) const {
    std::uint32_t found{0};
    auto done{each_row(
        *m_database,
        "SELECT sequence FROM snapshot WHERE recording_id = ? AND sequence <= ? AND complete "
        "ORDER BY sequence DESC LIMIT 1",
        [&](const Statement& row) -> Result<void, Error> {
            found = static_cast<std::uint32_t>(row.integer(0));
            return {};
        },
        m_info.id, sequence)};
    if (!done) return Failure{done.error()};
    return found;
}

Result<void, Error> RecordingReader::read_accesses(Totals& totals, SnapshotRange starts) const {
    auto done{each_row(
        *m_database,
        "SELECT encoding & ~1, access, reason, sum(count), sum(in_memory) FROM (" +
            differences_in("access_count", "encoding, access, reason", {"count", "in_memory"}) +
            ") GROUP BY 1, 2, 3 HAVING sum(count) > 0 ORDER BY 1, 2, 3",
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(0))};
            if (field == vmcs::no_field) return damaged(*m_database, "an access has an unknown field");
            if (row.bits(2) >= vmcs::reason_slots)
                return damaged(*m_database, "an access has an unknown exit reason");
            add_access(totals, {field, row.integer(1) == 0 ? Access::read : Access::write,
                                static_cast<std::uint8_t>(row.integer(2)), row.bits(3), row.bits(4)});
            return {};
        },
        m_info.id, totals.range.from, totals.range.to, starts.from, starts.to, vcpu_of(totals))};
    return done;
}

Result<void, Error> RecordingReader::read_round_trips(Totals& totals, SnapshotRange starts) const {
    const std::pair<std::string, std::array<std::uint64_t, vmcs::reason_slots>*> tables[]{
        {"round_trip_count", &totals.round_trips_by_reason},
        {"sampled_round_trip_count", &totals.sampled_round_trips_by_reason}};
    for (const auto& [table, by_reason] : tables) {
        auto& counts{*by_reason};
        auto done{each_row(
            *m_database,
            "SELECT reason, sum(count) FROM (" + differences_in(table, "reason", {"count"}) +
                ") GROUP BY reason",
            [&](const Statement& row) -> Result<void, Error> {
                if (row.bits(0) >= vmcs::reason_slots)
                    return damaged(*m_database, "an unknown exit reason is counted");
                counts[row.bits(0)] = row.bits(1);
                return {};
            },
            m_info.id, totals.range.from, totals.range.to, starts.from, starts.to, vcpu_of(totals))};
        if (!done) return done;
    }
    for (const std::uint64_t count : totals.sampled_round_trips_by_reason)
        totals.sampled_round_trips += count;
    return {};
}

Result<void, Error> RecordingReader::read_sampled(Totals& totals, SnapshotRange starts) const {
    return each_row(
        *m_database,
        "SELECT encoding, access, reason, sum(count), sum(squares) FROM (" +
            differences_in("sampled_count", "encoding, access, reason", {"count", "squares"}) +
            ") GROUP BY 1, 2, 3 HAVING sum(count) > 0 ORDER BY 1, 2, 3",
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(0))};
            if (field == vmcs::no_field) return damaged(*m_database, "a sampled access has an unknown field");
            if (row.bits(2) >= vmcs::reason_slots)
                return damaged(*m_database, "a sampled access has an unknown exit reason");
            totals.sampled.push_back({field, row.integer(1) == 0 ? Access::read : Access::write,
                                      static_cast<std::uint8_t>(row.integer(2)), row.bits(3), row.bits(4)});
            return {};
        },
        m_info.id, totals.range.from, totals.range.to, starts.from, starts.to, vcpu_of(totals));
}

Result<void, Error> RecordingReader::read_changes(Totals& totals, SnapshotRange starts) const {
    return each_row(
        *m_database,
        "SELECT change, encoding, sum(count) FROM (" +
            differences_in("change_count", "change, encoding, reason", {"count"}) +
            ") WHERE reason <> ?7 GROUP BY 1, 2",
        [&](const Statement& row) -> Result<void, Error> {
            const auto change{static_cast<Change>(row.bits(0))};
            const vmcs::FieldIndex field{is_of_field(change) ? vmcs::find(row.bits(1)) : vmcs::FieldIndex{0}};
            if (field == vmcs::no_field) return damaged(*m_database, "a change of an unknown field");
            add_change(totals, change, field, row.bits(2));
            return {};
        },
        m_info.id, totals.range.from, totals.range.to, starts.from, starts.to, vcpu_of(totals),
        vmcs::no_round_trip);
}

Result<void, Error> RecordingReader::read_scalars(Totals& totals) const {
    auto done{each_row(
        *m_database,
        "SELECT s.sequence, v.generation, v.last_reload_ticks, v.round_trips, v.round_trip_ticks, "
        "v.l0_ticks,"
        " v.vm_exits, v.l2_exits_kept, v.unknown_field_accesses, v.sync_reads, v.sync_writes, "
        "v.vmread_executed,"
        " v.vmwrite_executed, v.vmptrld_executed, v.vmclear_executed, v.reloads, v.memory_reads, "
        "v.memory_writes, v.walk_entries "
        "FROM snapshot_vcpu v JOIN snapshot s ON s.id = v.snapshot_id "
        "WHERE s.recording_id = ?1 AND s.sequence IN (?2, ?3) AND (?4 < 0 OR v.vcpu = ?4)",
        [&](const Statement& row) -> Result<void, Error> {
            const auto sequence{static_cast<std::uint32_t>(row.integer(0))};
            const auto generation{static_cast<std::uint32_t>(row.integer(1))};
            int column{3};
            for (const auto member : counter_members) {
                // Unsigned: the start's counts may come first, the sum comes out right at the end.
                const std::uint64_t value{row.bits(column++)};
                if (sequence == totals.range.to) totals.counters.*member += value;
                if (sequence == totals.range.from) totals.counters.*member -= value;
            }
            if (sequence != totals.range.to) return {};
            totals.generation = std::max(totals.generation, generation);
            totals.last_reload_ticks = std::max(totals.last_reload_ticks, row.bits(2));
            return {};
        },
        m_info.id, totals.range.from, totals.range.to, vcpu_of(totals))};
    if (!done) return done;
    return each_row(
        *m_database,
        "SELECT frames_dropped, frames_missed, reconnects, snapshots_lost FROM snapshot "
        "WHERE recording_id = ?1 AND sequence = ?2",
        [&](const Statement& row) -> Result<void, Error> {
            totals.link = {row.bits(0), row.bits(1), row.bits(2), row.bits(3)};
            return {};
        },
        m_info.id, totals.range.to);
}

} // namespace shadowtune::db
