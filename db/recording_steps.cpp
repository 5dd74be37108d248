#include "db/recording_reader.hpp"
#include "db/rows.hpp"

#include <algorithm>
#include <unordered_map>

namespace shadowtune::db {

namespace {

// The step that ends at this snapshot or next after it; nullptr for what lies before the range or behind it.
[[nodiscard]] Step* step_at(std::vector<Step>& steps, std::uint32_t sequence) {
    if (sequence <= steps.front().range.from) return nullptr;
    const auto found{
        std::ranges::lower_bound(steps, sequence, {}, [](const Step& step) { return step.range.to; })};
    return found == steps.end() ? nullptr : &*found;
}

} // namespace

Result<std::vector<std::uint32_t>, Error> RecordingReader::step_ends(SnapshotRange range, std::size_t most,
                                                                     bool only_complete) const {
    std::vector<std::uint32_t> ends{};
    auto done{each_row(
        *m_database,
        "SELECT sequence FROM snapshot WHERE recording_id = ?1 AND sequence > ?2 AND sequence < ?3 "
        "AND (complete OR NOT ?4) ORDER BY sequence",
        [&](const Statement& row) -> Result<void, Error> {
            ends.push_back(static_cast<std::uint32_t>(row.integer(0)));
            return {};
        },
        m_info.id, range.from, range.to, only_complete)};
    if (!done) return Failure{done.error()};
    const std::size_t stride{(ends.size() + most) / most};
    std::vector<std::uint32_t> kept{};
    for (std::size_t i{stride - 1}; i < ends.size(); i += stride)
        kept.push_back(ends[i]);
    kept.push_back(range.to);
    return kept;
}

Result<std::vector<Stretch>, Error> RecordingReader::stretches() const {
    std::vector<Stretch> stretches{};
    bool whole{false}; // the last one goes on
    auto done{each_row(
        *m_database,
        "SELECT s.sequence, min(v.generation), max(v.generation) "
        "FROM snapshot s JOIN snapshot_vcpu v ON v.snapshot_id = s.id "
        "WHERE s.recording_id = ? GROUP BY s.sequence ORDER BY s.sequence",
        [&](const Statement& row) -> Result<void, Error> {
            const auto sequence{static_cast<std::uint32_t>(row.integer(0))};
            const auto generation{static_cast<std::uint32_t>(row.integer(1))};
            if (row.integer(1) != row.integer(2)) {
                whole = false;
            } else if (whole && stretches.back().generation == generation) {
                stretches.back().range.to = sequence;
            } else {
                stretches.push_back({generation, {sequence, sequence}});
                whole = true;
            }
            return {};
        },
        m_info.id)};
    if (!done) return Failure{done.error()};
    return stretches;
}

Result<std::vector<Step>, Error> RecordingReader::steps(SnapshotRange range, std::size_t most) const {
    // Between the ends of long steps only the complete snapshots need to be read; behind the last one all.
    bool only_complete{range.to - range.from > most};
    auto ends{step_ends(range, most, only_complete)};
    if (ends && only_complete && ends.value().size() * 4 < most) {
        only_complete = false;
        ends = step_ends(range, most, only_complete);
    }
    if (!ends) return Failure{ends.error()};
    std::vector<Step> steps{};
    std::uint32_t from{range.from};
    for (const std::uint32_t to : ends.value()) {
        steps.push_back({{from, to}, 0, {}, {}});
        from = to;
    }
    const auto base{complete_before(range.from)};
    if (!base) return Failure{base.error()};
    const auto tail{complete_before(range.to)};
    if (!tail) return Failure{tail.error()};
    const SnapshotRange starts{base.value(), tail.value()};
    if (auto done{read_step_counts(steps, starts, only_complete)}; !done) return Failure{done.error()};
    auto done{each_row(
        *m_database,
        "SELECT s.sequence, sum(v.round_trips) FROM snapshot s CROSS JOIN snapshot_vcpu v "
        "ON v.snapshot_id = s.id WHERE s.recording_id = ?1 AND s.sequence BETWEEN ?2 AND ?3 GROUP BY s.id",
        [&](const Statement& row) -> Result<void, Error> {
            for (Step& step : steps) {
                // Unsigned: the sum comes out right at the end.
                if (step.range.to == row.bits(0)) step.round_trips += row.bits(1);
                if (step.range.from == row.bits(0)) step.round_trips -= row.bits(1);
            }
            return {};
        },
        m_info.id, range.from, range.to)};
    if (!done) return Failure{done.error()};
    return steps;
}

Result<void, Error> RecordingReader::read_step_counts(std::vector<Step>& steps, SnapshotRange starts,
                                                      bool only_complete) const {
    const SnapshotRange range{steps.front().range.from, steps.back().range.to};
    std::unordered_map<std::uint64_t, std::uint64_t> last{};
    return each_row(
        *m_database,
        "SELECT s.sequence, c.vcpu, c.encoding, c.access, c.reason, c.count "
        "FROM snapshot s CROSS JOIN access_count c ON c.snapshot_id = s.id "
        "WHERE s.recording_id = ?1 AND s.sequence BETWEEN ?2 AND ?4 "
        "AND (NOT ?5 OR s.complete OR s.sequence <= ?3 OR s.sequence > ?6) "
        "ORDER BY s.sequence",
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(2))};
            if (field == vmcs::no_field || row.bits(4) >= vmcs::reason_slots) {
                return damaged(*m_database, "an access has an unknown field or exit reason");
            }
            const std::uint64_t key{(row.bits(1) << 32) | (row.bits(2) << 16) | (row.bits(3) << 8) |
                                    row.bits(4)};
            std::uint64_t& before{last[key]};
            const std::uint64_t count{row.bits(5) - before};
            before = row.bits(5);
            Step* const step{step_at(steps, static_cast<std::uint32_t>(row.integer(0)))};
            if (step == nullptr || row.bits(4) == vmcs::no_round_trip) return {};
            (row.integer(3) == 0 ? step->reads : step->writes)[field] += count;
            return {};
        },
        m_info.id, starts.from, range.from, range.to, only_complete, starts.to);
}

} // namespace shadowtune::db
