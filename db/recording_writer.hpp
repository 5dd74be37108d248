#pragma once

// Writes one recording: one transaction per snapshot, so that a killed recorder loses at most its last one.

#include "db/database.hpp"
#include "db/records.hpp"

#include <map>
#include <tuple>

namespace shadowtune::db {

// Each so manieth snapshot of a recording, from the first, has all counts and not only those that changed.
inline constexpr std::uint32_t complete_snapshot_interval{64};

class RecordingWriter {
public:
    // `database` must outlive the writer. A machine that the file knows by its boot_id is not stored twice.
    [[nodiscard]] static Result<RecordingWriter, Error> begin(Database& database, const Machine& machine,
                                                              const Labels& labels, std::int64_t started_ms);

    // bad_data: a counter went back (the VMM restarted: begin a new recording), an encoding or a reason that
    // the catalogue does not know, a snapshot without vCPUs. Nothing is stored then.
    [[nodiscard]] Result<void, Error> add_snapshot(const Snapshot& snapshot);

    // Bitmaps that are or will be in force; may be repeated.
    [[nodiscard]] Result<void, Error> generation(const Generation& generation, std::int64_t at_ms);

    // At most once. `fingerprint.seen.offered` is the machine's, and not stored again.
    [[nodiscard]] Result<void, Error> fingerprint(const Fingerprint& fingerprint);

    // Without it the recording stays marked as not finished, and is good all the same.
    [[nodiscard]] Result<void, Error> finish(std::int64_t ended_ms);

    [[nodiscard]] std::int64_t id() const { return m_id; }
    [[nodiscard]] std::uint32_t snapshots() const { return m_sequence; }

private:
    enum class CountTable : std::uint8_t {
        access,
        round_trip,
        sampled,
        sampled_round_trip,
        change_at_exit,
        change_at_switch,
        change_of_vmcs,
        change_of_vmcs_once,
    };
    // encoding: no_encoding for the round trips themselves
    using Key = std::tuple<CountTable, std::uint16_t, vmcs::Encoding, Access, std::uint8_t>;
    using Counts = std::map<Key, std::uint64_t>;

    // What one snapshot's rows are made of. `all`: counts that did not change get their row as well.
    struct Rows {
        std::int64_t snapshot_id{0};
        bool all{false};
        Counts written;
    };

    [[nodiscard]] Result<void, Error> write_vcpu(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_accesses(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_round_trips(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_sampled(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_changes(const VcpuSnapshot& vcpu, Rows& rows);
    // Whether a row has to say so.
    [[nodiscard]] Result<bool, Error> is_due(const Key& key, std::uint64_t count, Rows& rows) const;
    // Where it is due, the row: the snapshot and these values.
    template <typename... Values>
    [[nodiscard]] Result<void, Error> write_count(Statement& insert, const Key& key, std::uint64_t count,
                                                  Rows& rows, const Values&... values) {
        const auto due{is_due(key, count, rows)};
        if (!due) return Failure{due.error()};
        if (!due.value()) return {};
        return insert.run(rows.snapshot_id, values...);
    }
    [[nodiscard]] Result<void, Error> mark_complete(const Rows& rows);

    Database* m_database{nullptr};
    std::int64_t m_id{0};
    std::uint32_t m_sequence{0};
    Counts m_last; // as of the previous snapshot: only what differs is stored
    Statement m_insert_snapshot;
    Statement m_insert_vcpu;
    Statement m_insert_access;
    Statement m_insert_round_trips;
    Statement m_insert_sampled;
    Statement m_insert_sampled_round_trips;
    Statement m_insert_change;
};

} // namespace shadowtune::db
