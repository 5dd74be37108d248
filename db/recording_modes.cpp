#include "db/recording_reader.hpp"
#include "db/rows.hpp"

namespace shadowtune::db {

namespace {

// For "?4 < 0 OR vcpu = ?4".
[[nodiscard]] std::int64_t vcpu_or_all(const Totals& totals) {
    return totals.vcpu ? std::int64_t{*totals.vcpu} : -1;
}

} // namespace

// L0 numbers its generations from 1, which is in mode trap, and makes a new one only of other bitmaps or
// another mode: a number that is missing was in force between two snapshots, and may have shadowed fields.
Result<bool, Error> RecordingReader::has_gaps(const Totals& totals) const {
    bool gaps{false};
    auto done{each_row(
        *m_database,
        "SELECT max(v.generation) - min(v.generation) >= count(DISTINCT v.generation) "
        "OR ?2 = 0 AND min(v.generation) > 1 "
        "FROM snapshot_vcpu v JOIN snapshot s ON s.id = v.snapshot_id "
        "WHERE s.recording_id = ?1 AND s.sequence BETWEEN ?2 AND ?3 AND (?4 < 0 OR v.vcpu = ?4) "
        "GROUP BY v.vcpu",
        [&](const Statement& row) -> Result<void, Error> {
            gaps = gaps || row.integer(0) != 0;
            return {};
        },
        m_info.id, totals.range.from, totals.range.to, vcpu_or_all(totals))};
    if (!done) return Failure{done.error()};
    return gaps;
}

Result<void, Error> RecordingReader::read_modes(Totals& totals) const {
    std::uint32_t last{0};
    // Modes are those of the snapshots in between and at both ends, since a mode is in force from before one
    // snapshot on. Of hundreds of thousands of them, SQLite makes the sum faster than we do.
    auto done{each_row(
        *m_database,
        "SELECT min(v.generation), max(v.mode <> 'trap'), max(v.generation) "
        "FROM snapshot_vcpu v JOIN snapshot s ON s.id = v.snapshot_id "
        "WHERE s.recording_id = ?1 AND s.sequence BETWEEN ?2 AND ?3 AND (?4 < 0 OR v.vcpu = ?4)",
        [&](const Statement& row) -> Result<void, Error> {
            totals.first_generation = static_cast<std::uint32_t>(row.integer(0));
            totals.all_trap = row.integer(1) == 0;
            last = static_cast<std::uint32_t>(row.integer(2));
            return {};
        },
        m_info.id, totals.range.from, totals.range.to, vcpu_or_all(totals))};
    if (!done) return done;
    // Mostly there is but one, and nothing more to be read.
    const bool one{totals.first_generation == last && (totals.range.from != 0 || last <= 1)};
    if (!totals.all_trap || one) return {};
    const auto gaps{has_gaps(totals)};
    if (!gaps) return Failure{gaps.error()};
    totals.all_trap = !gaps.value();
    return {};
}

} // namespace shadowtune::db
