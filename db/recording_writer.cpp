#include "db/recording_writer.hpp"

#include "db/machines.hpp"

#include <limits>

namespace shadowtune::db {

namespace {

// No field has it: above what the bitmaps cover.
constexpr vmcs::Encoding no_encoding{0xFFFF};

// Beyond this SQLite's max() would see a negative number; at one access a nanosecond it takes 292 years.
constexpr auto largest_count{static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())};

[[nodiscard]] Failure<Error> bad_data(const std::string& words) {
    return Failure{Error{ErrorKind::bad_data, words}};
}

[[nodiscard]] Failure<Error> unknown_field() {
    return bad_data("the snapshot counts a field that the catalogue lacks; use tools and VMM of one version");
}

} // namespace

Result<RecordingWriter, Error> RecordingWriter::begin(Database& database, const Machine& machine,
                                                      const Labels& labels, std::int64_t started_ms) {
    Connection& connection{database.connection()};
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    auto machine_id{store_machine(connection, machine)};
    if (!machine_id) return Failure{machine_id.error()};
    auto insert{connection.prepare("INSERT INTO recording VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, NULL)")};
    if (!insert) return Failure{insert.error()};
    if (auto done{insert.value().run(machine_id.value(), labels.l1_kind, labels.l1_name, labels.workload,
                                     labels.cpu_model, labels.tool_version, started_ms)};
        !done) {
        return Failure{done.error()};
    }
    RecordingWriter writer{};
    writer.m_database = &database;
    writer.m_id = connection.last_row();

    const auto prepare{[&connection](Statement& target, std::string_view sql) -> Result<void, Error> {
        auto statement{connection.prepare(sql)};
        if (!statement) return Failure{statement.error()};
        target = std::move(statement).value();
        return {};
    }};
    for (const auto& [target, sql] : {
             std::pair{&writer.m_insert_snapshot,
                       "INSERT INTO snapshot VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 0)"},
             std::pair{&writer.m_insert_vcpu,
                       "INSERT INTO snapshot_vcpu VALUES "
                       "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
             std::pair{&writer.m_insert_access, "INSERT INTO access_count VALUES (?, ?, ?, ?, ?, ?, ?)"},
             std::pair{&writer.m_insert_round_trips, "INSERT INTO round_trip_count VALUES (?, ?, ?, ?)"},
             std::pair{&writer.m_insert_sampled, "INSERT INTO sampled_count VALUES (?, ?, ?, ?, ?, ?, ?)"},
             std::pair{&writer.m_insert_sampled_round_trips,
                       "INSERT INTO sampled_round_trip_count VALUES (?, ?, ?, ?)"},
             std::pair{&writer.m_insert_change, "INSERT INTO change_count VALUES (?, ?, ?, ?, ?, ?)"},
             std::pair{&writer.m_begin_snapshot, "SAVEPOINT one"},
             std::pair{&writer.m_keep_snapshot, "RELEASE one"},
             std::pair{&writer.m_drop_snapshot, "ROLLBACK TO one"},
         }) {
        if (auto done{prepare(*target, sql)}; !done) return Failure{done.error()};
    }
    if (auto done{transaction.value().commit()}; !done) return Failure{done.error()};
    return writer;
}

Result<bool, Error> RecordingWriter::is_due(const Key& key, std::uint64_t count, Rows& rows) {
    if (key.reason >= vmcs::reason_slots)
        return bad_data("the snapshot has an exit reason that no processor gives");
    if (count > largest_count) return bad_data("the snapshot has a count above 2^63");
    if (count == 0 && !m_last.contains(key.packed())) return false;
    Count& last{m_last[key.packed()]};
    if (last.written_in == m_attempt) return bad_data("the snapshot has one counter twice");
    if (count < last.value) {
        return bad_data("a counter went back: the VMM was restarted; begin a new recording");
    }
    if (count == 0 || (count == last.value && !rows.all)) return false;
    last.written_in = m_attempt;
    rows.written.emplace_back(&last, count);
    return true;
}

Result<void, Error> RecordingWriter::write_accesses(const VcpuSnapshot& vcpu, Rows& rows) {
    for (const auto& [encoding, access, reason, count, in_memory] : vcpu.accesses) {
        if (vmcs::find(encoding) == vmcs::no_field) return unknown_field();
        // They change where the count does.
        if (in_memory > count) return bad_data("the snapshot has more accesses in memory than accesses");
        const Key key{CountTable::access, vcpu.vcpu, encoding, access, reason};
        auto done{write_count(m_insert_access, key, count, rows, vcpu.vcpu, encoding,
                              static_cast<int>(access), reason, count, in_memory)};
        if (!done) return done;
    }
    return {};
}

Result<void, Error> RecordingWriter::write_round_trips(const VcpuSnapshot& vcpu, Rows& rows) {
    const std::tuple<CountTable, Statement*, const std::array<std::uint64_t, vmcs::reason_slots>*> tables[]{
        {CountTable::round_trip, &m_insert_round_trips, &vcpu.round_trips_by_reason},
        {CountTable::sampled_round_trip, &m_insert_sampled_round_trips, &vcpu.sampled_round_trips_by_reason}};
    for (const auto& [table, insert, counts] : tables) {
        for (std::uint8_t reason{0}; reason < vmcs::reason_slots; ++reason) {
            const std::uint64_t count{(*counts)[reason]};
            const Key key{table, vcpu.vcpu, no_encoding, Access::read, reason};
            auto done{write_count(*insert, key, count, rows, vcpu.vcpu, reason, count)};
            if (!done) return done;
        }
    }
    return {};
}

Result<void, Error> RecordingWriter::write_sampled(const VcpuSnapshot& vcpu, Rows& rows) {
    for (const auto& [encoding, access, reason, count, squares] : vcpu.sampled) {
        if (vmcs::find(encoding) == vmcs::no_field || vmcs::is_high_half(encoding)) return unknown_field();
        // The squares change where the count does.
        if (squares < count || squares > largest_count)
            return bad_data("the snapshot has squares that do not go with their count");
        const Key key{CountTable::sampled, vcpu.vcpu, encoding, access, reason};
        auto done{write_count(m_insert_sampled, key, count, rows, vcpu.vcpu, encoding,
                              static_cast<int>(access), reason, count, squares)};
        if (!done) return done;
    }
    return {};
}

Result<void, Error> RecordingWriter::write_changes(const VcpuSnapshot& vcpu, Rows& rows) {
    for (const auto& [change, encoding, reason, count] : vcpu.changes) {
        const bool of_field{is_of_field(change)};
        if (of_field && (vmcs::find(encoding) == vmcs::no_field || vmcs::is_high_half(encoding)))
            return unknown_field();
        const auto table{static_cast<CountTable>(static_cast<std::uint8_t>(CountTable::change_at_exit) +
                                                 static_cast<std::uint8_t>(change))};
        const Key key{table, vcpu.vcpu, of_field ? encoding : no_encoding, Access::read, reason};
        auto done{write_count(m_insert_change, key, count, rows, vcpu.vcpu, static_cast<int>(change),
                              encoding, reason, count)};
        if (!done) return done;
    }
    return {};
}

Result<void, Error> RecordingWriter::write_vcpu(const VcpuSnapshot& vcpu, Rows& rows) {
    const VcpuCounters& c{vcpu.counters};
    if (auto done{m_insert_vcpu.run(rows.snapshot_id, vcpu.vcpu, vcpu.tsc, text(vcpu.mode),
                                    vcpu.sample_interval, vcpu.generation, c.round_trips, c.round_trip_ticks,
                                    c.l0_ticks, c.vm_exits, c.l2_exits_kept, c.unknown_field_accesses,
                                    c.sync_reads, c.sync_writes, c.vmread_executed, c.vmwrite_executed,
                                    c.vmptrld_executed, c.vmclear_executed, c.reloads, vcpu.last_reload_ticks,
                                    c.memory_reads, c.memory_writes, c.walk_entries)};
        !done) {
        return done;
    }
    if (auto done{write_accesses(vcpu, rows)}; !done) return done;
    if (auto done{write_round_trips(vcpu, rows)}; !done) return done;
    if (auto done{write_sampled(vcpu, rows)}; !done) return done;
    return write_changes(vcpu, rows);
}

Result<void, Error> RecordingWriter::write_rows(const Snapshot& snapshot) {
    Connection& connection{m_database->connection()};
    const LinkStatistics& link{snapshot.link};
    if (auto done{m_insert_snapshot.run(m_id, m_sequence + 1, snapshot.at_ms, link.frames_dropped,
                                        link.frames_missed, link.reconnects, link.snapshots_lost)};
        !done) {
        return done;
    }
    ++m_attempt;
    Rows rows{connection.last_row(), m_sequence % complete_snapshot_interval == 0, {}};
    for (const auto& vcpu : snapshot.vcpus) {
        if (auto done{write_vcpu(vcpu, rows)}; !done) return done;
    }
    if (rows.all) {
        if (auto done{mark_complete(rows)}; !done) return done;
    }
    if (m_gather_for == m_gather_for.zero()) {
        if (auto done{commit()}; !done) return done;
    }
    ++m_sequence;
    for (const auto& [last, count] : rows.written)
        last->value = count;
    return {};
}

Result<void, Error> RecordingWriter::add_snapshot(const Snapshot& snapshot) {
    if (snapshot.vcpus.empty()) return bad_data("the snapshot has no vCPU");
    const auto now{Clock::now()};
    if (!m_gathered) {
        auto transaction{Transaction::begin(m_database->connection())};
        if (!transaction) return Failure{transaction.error()};
        m_gathered.emplace(std::move(transaction).value());
        m_gathered_since = now;
    }
    if (m_gather_for == m_gather_for.zero()) {
        auto written{write_rows(snapshot)};
        m_gathered.reset();
        return written;
    }
    if (auto done{m_begin_snapshot.run()}; !done) return done;
    if (auto written{write_rows(snapshot)}; !written) {
        (void)m_drop_snapshot.run();
        (void)m_keep_snapshot.run();
        return written;
    }
    if (auto done{m_keep_snapshot.run()}; !done) return done;
    return now - m_gathered_since < m_gather_for ? Result<void, Error>{} : commit();
}

Result<void, Error> RecordingWriter::commit() {
    if (!m_gathered) return {};
    auto done{m_gathered->commit()};
    m_gathered.reset();
    return done;
}

Result<void, Error> RecordingWriter::mark_complete(const Rows& rows) {
    // A count that the VMM left out would be lost to whoever begins to read here.
    for (const auto& [key, last] : m_last) {
        if (last.value != 0 && last.written_in != m_attempt) return {};
    }
    auto update{m_database->connection().prepare("UPDATE snapshot SET complete = 1 WHERE id = ?")};
    if (!update) return Failure{update.error()};
    return update.value().run(rows.snapshot_id);
}

Result<void, Error> RecordingWriter::generation(const Generation& generation, std::int64_t at_ms) {
    if (m_generations.contains(generation.number)) return {};
    if (auto done{commit()}; !done) return done;
    Connection& connection{m_database->connection()};
    auto transaction{Transaction::begin(connection)};
    if (!transaction) return Failure{transaction.error()};
    auto known{connection.prepare("SELECT 1 FROM generation WHERE recording_id = ? AND number = ?")};
    if (!known) return Failure{known.error()};
    known.value().bind(m_id, generation.number);
    auto row{known.value().step()};
    if (!row) return Failure{row.error()};
    if (row.value()) {
        m_generations.insert(generation.number);
        return {};
    }

    auto insert{connection.prepare("INSERT INTO generation VALUES (?, ?, ?, ?, ?, ?)")};
    if (!insert) return Failure{insert.error()};
    if (auto done{insert.value().run(m_id, generation.number, text(generation.mode),
                                     generation.sample_interval, generation.profile_name, at_ms)};
        !done) {
        return done;
    }
    auto field{connection.prepare("INSERT INTO generation_field VALUES (?, ?, ?, ?, ?)")};
    if (!field) return Failure{field.error()};
    Result<void, Error> outcome{};
    generation.sets.hot_set().for_each([&](vmcs::FieldIndex index) {
        if (!outcome) return;
        outcome = field.value().run(m_id, generation.number, vmcs::catalogue[index].encoding,
                                    generation.sets.read.test(index), generation.sets.write.test(index));
    });
    if (!outcome) return outcome;
    if (auto done{transaction.value().commit()}; !done) return done;
    m_generations.insert(generation.number);
    return {};
}

Result<void, Error> RecordingWriter::finish(std::int64_t ended_ms) {
    if (auto done{commit()}; !done) return done;
    auto update{m_database->connection().prepare("UPDATE recording SET ended_ms = ? WHERE id = ?")};
    if (!update) return Failure{update.error()};
    return update.value().run(ended_ms, m_id);
}

} // namespace shadowtune::db
