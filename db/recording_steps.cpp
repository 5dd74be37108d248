#include "db/recording_reader.hpp"
#include "db/rows.hpp"

#include <algorithm>
#include <string>
#include <tuple>
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

// Of several vCPUs and snapshots: one of each field, access and reason.
void merge(std::vector<SampledTotal>& sampled) {
    const auto key{[](const SampledTotal& of) { return std::tuple{of.field, of.access, of.reason}; }};
    std::ranges::sort(sampled, {}, key);
    std::vector<SampledTotal> merged{};
    for (const SampledTotal& more : sampled) {
        if (merged.empty() || key(merged.back()) != key(more)) {
            merged.push_back(more);
            continue;
        }
        merged.back().count += more.count;
        merged.back().squares += more.squares;
    }
    sampled = std::move(merged);
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
    if (auto done{read_step_samples(steps, starts, only_complete)}; !done) return Failure{done.error()};
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

struct RecordingReader::Growth {
    vmcs::FieldIndex field{0};
    Access access{Access::read};
    std::uint8_t reason{0};
    std::uint64_t count{0};
    std::uint64_t squares{0};
};

// `columns`: encoding, access, reason, count and squares, of the table `c`; encoding 0, a field as others
// are, where it has none.
Result<void, Error> RecordingReader::each_growth(std::string_view table, std::string_view columns,
                                                 std::vector<Step>& steps, SnapshotRange starts,
                                                 bool only_complete, const TakeGrowth& take) const {
    const SnapshotRange range{steps.front().range.from, steps.back().range.to};
    struct Counts {
        std::uint64_t count{0};
        std::uint64_t squares{0};
    };
    std::unordered_map<std::uint64_t, Counts> last{};
    std::string sql{"SELECT s.sequence, c.vcpu, "};
    sql += columns;
    sql += " FROM snapshot s CROSS JOIN ";
    sql += table;
    sql += " c ON c.snapshot_id = s.id WHERE s.recording_id = ?1 AND s.sequence BETWEEN ?2 AND ?4 "
           "AND (NOT ?5 OR s.complete OR s.sequence <= ?3 OR s.sequence > ?6) ORDER BY s.sequence";
    return each_row(
        *m_database, sql,
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(2))};
            if (field == vmcs::no_field || row.bits(4) >= vmcs::reason_slots)
                return damaged(*m_database, "an access has an unknown field or exit reason");
            const std::uint64_t key{(row.bits(1) << 32) | (row.bits(2) << 16) | (row.bits(3) << 8) |
                                    row.bits(4)};
            Counts& before{last[key]};
            const Growth growth{field, row.integer(3) == 0 ? Access::read : Access::write,
                                static_cast<std::uint8_t>(row.bits(4)), row.bits(5) - before.count,
                                row.bits(6) - before.squares};
            before = {row.bits(5), row.bits(6)};
            Step* const step{step_at(steps, static_cast<std::uint32_t>(row.integer(0)))};
            if (step != nullptr && growth.reason != vmcs::no_round_trip) take(*step, growth);
            return {};
        },
        m_info.id, starts.from, range.from, range.to, only_complete, starts.to);
}

Result<void, Error> RecordingReader::read_step_counts(std::vector<Step>& steps, SnapshotRange starts,
                                                      bool only_complete) const {
    return each_growth("access_count", "c.encoding, c.access, c.reason, c.count, 0", steps, starts,
                       only_complete, [](Step& step, const Growth& growth) {
                           auto& counts{growth.access == Access::read ? step.reads : step.writes};
                           counts[growth.field] += growth.count;
                       });
}

Result<void, Error> RecordingReader::read_step_samples(std::vector<Step>& steps, SnapshotRange starts,
                                                       bool only_complete) const {
    auto done{
        each_growth("sampled_round_trip_count", "0, 0, c.reason, c.count, 0", steps, starts, only_complete,
                    [](Step& step, const Growth& growth) { step.sampled_round_trips += growth.count; })};
    if (!done) return done;
    done = each_growth("sampled_count", "c.encoding, c.access, c.reason, c.count, c.squares", steps, starts,
                       only_complete, [](Step& step, const Growth& growth) {
                           if (growth.count != 0)
                               step.sampled.push_back({growth.field, growth.access, growth.reason,
                                                       growth.count, growth.squares});
                       });
    for (Step& step : steps)
        merge(step.sampled);
    return done;
}

} // namespace shadowtune::db
