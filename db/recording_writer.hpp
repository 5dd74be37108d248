#pragma once

// Writes one recording: one transaction per snapshot, so that a killed recorder loses at most its last one;
// or, where they come fast, one for several.

#include "db/database.hpp"
#include "db/records.hpp"

#include <chrono>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace shadowtune::db {

// Each so manieth snapshot of a recording, from the first, has all counts and not only those that changed.
inline constexpr std::uint32_t complete_snapshot_interval{64};

class RecordingWriter {
public:
    RecordingWriter() = default; // of nothing: only to be given another
    // What was gathered is stored, if it can be.
    ~RecordingWriter() { (void)commit(); }
    RecordingWriter(RecordingWriter&&) = default;
    RecordingWriter& operator=(RecordingWriter&&) = delete;

    // `database` must outlive the writer. A machine that the file knows by its boot_id is not stored twice.
    [[nodiscard]] static Result<RecordingWriter, Error> begin(Database& database, const Machine& machine,
                                                              const Labels& labels, std::int64_t started_ms);

    // From here on snapshots are gathered and stored together, at the latest with the first one that comes so
    // long after the first: a killed recorder loses at most these. 0, as at the beginning: each by itself.
    void gather_for(std::chrono::milliseconds time) { m_gather_for = time; }

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
    using Clock = std::chrono::steady_clock;
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
    struct Key {
        CountTable table;
        std::uint16_t vcpu;
        vmcs::Encoding encoding;
        Access access;
        std::uint8_t reason;

        [[nodiscard]] std::uint64_t packed() const {
            return std::uint64_t{vcpu} << 48 | std::uint64_t{encoding} << 32 |
                   std::uint64_t{static_cast<std::uint8_t>(table)} << 16 |
                   std::uint64_t{static_cast<std::uint8_t>(access)} << 8 | reason;
        }
    };
    // As of the previous snapshot that has a row for it.
    struct Count {
        std::uint64_t value{0};
        std::uint64_t written_in{0}; // the attempt to write a snapshot that it had its last row in
    };

    // What one snapshot's rows are made of. `all`: counts that did not change get their row as well.
    struct Rows {
        std::int64_t snapshot_id{0};
        bool all{false};
        std::vector<std::pair<Count*, std::uint64_t>> written;
    };

    [[nodiscard]] Result<void, Error> write_rows(const Snapshot& snapshot);
    [[nodiscard]] Result<void, Error> write_vcpu(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_accesses(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_round_trips(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_sampled(const VcpuSnapshot& vcpu, Rows& rows);
    [[nodiscard]] Result<void, Error> write_changes(const VcpuSnapshot& vcpu, Rows& rows);
    // Whether a row has to say so.
    [[nodiscard]] Result<bool, Error> is_due(const Key& key, std::uint64_t count, Rows& rows);
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
    // Stores what was gathered.
    [[nodiscard]] Result<void, Error> commit();

    Database* m_database{nullptr};
    std::int64_t m_id{0};
    std::uint32_t m_sequence{0};
    std::unordered_map<std::uint64_t, Count> m_last; // by Key::packed(): only what differs is stored
    std::uint64_t m_attempt{0};
    std::set<std::uint32_t> m_generations; // that are stored
    std::chrono::milliseconds m_gather_for{0};
    std::optional<Transaction> m_gathered;
    Clock::time_point m_gathered_since;
    Statement m_insert_snapshot;
    Statement m_insert_vcpu;
    Statement m_insert_access;
    Statement m_insert_round_trips;
    Statement m_insert_sampled;
    Statement m_insert_sampled_round_trips;
    Statement m_insert_change;
    Statement m_begin_snapshot;
    Statement m_keep_snapshot;
    Statement m_drop_snapshot;
};

} // namespace shadowtune::db
