#include "gui/model/heatmap_matrix.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace shadowtune::gui {

namespace {

[[nodiscard]] double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

[[nodiscard]] HeatmapMatrix empty_matrix(Axis axis, std::vector<HeatmapColumn> columns, bool complete) {
    HeatmapMatrix matrix{axis, std::move(columns), {}, complete, false};
    matrix.cells.resize(vmcs::field_count * matrix.columns.size());
    return matrix;
}

[[nodiscard]] double& rate_of(CellRate& cell, db::Access access) {
    return access == db::Access::read ? cell.reads : cell.writes;
}

// What was seen of one field, access and reason.
struct Seen {
    std::uint64_t trapped{0};
    std::uint64_t sampled{0};
};

[[nodiscard]] double seen_rate(const Seen& seen, std::uint64_t trips, std::uint64_t sampled_trips,
                               bool unseen) {
    if (sampled_trips == 0) return ratio(seen.trapped, trips);
    if (unseen) return ratio(seen.sampled, sampled_trips);
    return ratio(seen.trapped + seen.sampled, trips);
}

using SeenCounts = std::map<std::tuple<vmcs::FieldIndex, db::Access, std::uint8_t>, Seen>;

[[nodiscard]] SeenCounts seen_counts(const db::Totals& totals) {
    SeenCounts counts{};
    for (const db::AccessTotal& access : totals.accesses)
        counts[{access.field, access.access, access.reason}].trapped += access.count;
    for (const db::SampledTotal& access : totals.sampled)
        counts[{access.field, access.access, access.reason}].sampled += access.count;
    return counts;
}

// What a recording's column is: itself, its L1, its workload.
[[nodiscard]] std::string column_title(const RecordingData& recording, Axis axis) {
    if (axis == Axis::l1) return short_name(recording.info.labels);
    if (axis == Axis::workload) return recording.info.labels.workload;
    return recording.title();
}

} // namespace

HeatmapMatrix matrix_by_reason(const RecordingData& recording, const std::set<std::uint8_t>& reasons) {
    const db::Totals& totals{recording.totals};
    std::vector<HeatmapColumn> columns{};
    for (std::uint8_t reason{0}; reason < vmcs::no_round_trip; ++reason) {
        if (totals.round_trips_by_reason[reason] == 0) continue;
        if (!reasons.empty() && !reasons.contains(reason)) continue;
        columns.push_back({std::string{vmcs::exit_reason_names[reason]},
                           "basic exit reason " + std::to_string(reason),
                           totals.round_trips_by_reason[reason], reason, totals.range});
    }
    std::ranges::stable_sort(columns, std::greater{}, &HeatmapColumn::round_trips);
    std::array<std::size_t, vmcs::reason_slots> column_of{};
    column_of.fill(columns.size());
    for (std::size_t i{0}; i < columns.size(); ++i)
        column_of[*columns[i].reason] = i;
    HeatmapMatrix matrix{empty_matrix(Axis::reason, std::move(columns), recording.complete())};
    const vmcs::ShadowSets unseen{recording.unseen()};
    matrix.estimated = recording.is_sampled() && !unseen.hot_set().empty();
    for (const auto& [key, seen] : seen_counts(totals)) {
        const auto& [field, access, reason] = key;
        const std::size_t column{column_of[reason]};
        if (column == matrix.columns.size()) continue;
        rate_of(matrix.at(field, column), access) =
            seen_rate(seen, totals.round_trips_by_reason[reason],
                      totals.sampled_round_trips_by_reason[reason], is_in(unseen, field, access));
    }
    return matrix;
}

HeatmapMatrix matrix_by_time(const TimelineData& timeline) {
    std::vector<HeatmapColumn> columns{};
    for (std::size_t i{0}; i < timeline.steps.size(); ++i) {
        const db::Step& step{timeline.steps[i]};
        columns.push_back(
            {duration_text(timeline.seconds(i + 1)),
             "snapshots " + std::to_string(step.range.from) + " to " + std::to_string(step.range.to),
             step.round_trips, std::nullopt, step.range});
    }
    HeatmapMatrix matrix{empty_matrix(Axis::time, std::move(columns), true)};
    for (std::size_t i{0}; i < timeline.steps.size(); ++i) {
        const db::Step& step{timeline.steps[i]};
        const vmcs::ShadowSets unseen{timeline.unseen(i)};
        matrix.complete = matrix.complete && timeline.complete(i);
        matrix.estimated = matrix.estimated || (step.sampled_round_trips != 0 && !unseen.hot_set().empty());
        std::array<std::array<std::uint64_t, 2>, vmcs::field_count> sampled{};
        for (const db::SampledTotal& of : step.sampled)
            sampled[of.field][of.access == db::Access::read ? 0 : 1] += of.count;
        for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
            matrix.at(field, i) = {seen_rate({step.reads[field], sampled[field][0]}, step.round_trips,
                                             step.sampled_round_trips, unseen.read.test(field)),
                                   seen_rate({step.writes[field], sampled[field][1]}, step.round_trips,
                                             step.sampled_round_trips, unseen.write.test(field))};
        }
    }
    return matrix;
}

CellRate overall_rate(const RecordingData& recording, vmcs::FieldIndex field) {
    const db::Totals& totals{recording.totals};
    const vmcs::ShadowSets unseen{recording.unseen()};
    Seen reads{};
    Seen writes{};
    for (const db::AccessTotal& access : totals.accesses) {
        if (access.field != field || access.reason == vmcs::no_round_trip) continue;
        (access.access == db::Access::read ? reads : writes).trapped += access.count;
    }
    for (const db::SampledTotal& access : totals.sampled) {
        if (access.field != field) continue;
        (access.access == db::Access::read ? reads : writes).sampled += access.count;
    }
    const std::uint64_t trips{totals.counters.round_trips};
    return {seen_rate(reads, trips, totals.sampled_round_trips, unseen.read.test(field)),
            seen_rate(writes, trips, totals.sampled_round_trips, unseen.write.test(field))};
}

HeatmapMatrix matrix_by_recording(std::span<const RecordingPtr> recordings, Axis axis) {
    std::vector<std::string> titles{};
    std::vector<std::vector<RecordingPtr>> members{};
    for (const RecordingPtr& recording : recordings) {
        const std::string title{column_title(*recording, axis)};
        // Two files of one name are two recordings.
        const auto found{axis == Axis::recording ? titles.end() : std::ranges::find(titles, title)};
        const auto place{static_cast<std::size_t>(found - titles.begin())};
        if (found == titles.end()) {
            titles.push_back(title);
            members.emplace_back();
        }
        members[place].push_back(recording);
    }
    std::vector<HeatmapColumn> columns{};
    bool complete{true};
    for (std::size_t place{0}; place < titles.size(); ++place) {
        // Where somebody has seen all accesses, those who have not say nothing.
        const bool anybody{
            std::ranges::any_of(members[place], [](const auto& of) { return of->complete(); })};
        if (anybody) std::erase_if(members[place], [](const auto& of) { return !of->complete(); });
        complete = complete && anybody;
        HeatmapColumn column{titles[place], {}, 0, std::nullopt, {}};
        for (const RecordingPtr& recording : members[place]) {
            column.detail += (column.detail.empty() ? "" : "; ") + recording->title();
            column.round_trips += recording->totals.counters.round_trips;
        }
        column.members = members[place];
        columns.push_back(std::move(column));
    }
    HeatmapMatrix matrix{empty_matrix(axis, std::move(columns), complete)};
    for (std::size_t column{0}; column < members.size(); ++column) {
        // A long recording counts as much as its round trips.
        for (const RecordingPtr& recording : members[column]) {
            matrix.estimated =
                matrix.estimated || (recording->is_sampled() && !recording->unseen().hot_set().empty());
            const double weight{
                ratio(recording->totals.counters.round_trips, matrix.columns[column].round_trips)};
            for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
                const CellRate rate{overall_rate(*recording, field)};
                matrix.at(field, column).reads += weight * rate.reads;
                matrix.at(field, column).writes += weight * rate.writes;
            }
        }
    }
    return matrix;
}

RateSpan rate_span(const HeatmapMatrix& matrix, Accesses accesses) {
    RateSpan span{};
    for (const CellRate& cell : matrix.cells) {
        const double rate{cell.of(accesses)};
        if (rate <= 0) continue;
        span.least = span.least == 0 ? rate : std::min(span.least, rate);
        span.most = std::max(span.most, rate);
    }
    return span;
}

} // namespace shadowtune::gui
