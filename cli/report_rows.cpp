#include "cli/report_rows.hpp"

#include "tuner/static_lists.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace shadowtune::cli {

namespace {

[[nodiscard]] double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Those in which the rows' accesses were made; of all reasons together, or of one.
[[nodiscard]] std::uint64_t unsampled_round_trips(const db::Totals& totals,
                                                  const std::optional<std::uint8_t>& reason) {
    if (!reason) return totals.unsampled_round_trips();
    if (*reason == vmcs::no_round_trip) return 0;
    return totals.round_trips_by_reason[*reason] - totals.sampled_round_trips_by_reason[*reason];
}

// The group of a row: all fields together, or each exit reason by itself, the frequent ones first.
[[nodiscard]] auto group_of(const ReportRow& row) {
    return std::pair{~row.reason_round_trips, row.reason.value_or(0)};
}

} // namespace

std::vector<ReportRow> report_rows(const db::Totals& totals, const ReportOptions& options) {
    std::map<std::pair<int, vmcs::FieldIndex>, ReportRow> found{};
    for (const auto& access : totals.accesses) {
        const int group{options.by_reason ? access.reason : -1};
        ReportRow& row{found[{group, access.field}]};
        row.field = access.field;
        if (options.by_reason) row.reason = access.reason;
        if (access.reason == vmcs::no_round_trip) {
            row.outside += access.count;
            // Outside round trips there is no rate; by reason they still have counts to show.
            if (!options.by_reason) continue;
        }
        (access.access == db::Access::read ? row.reads : row.writes) += access.count;
    }
    std::map<int, std::uint64_t> sums{};
    for (const auto& [key, row] : found)
        sums[key.first] += row.sum();

    std::vector<ReportRow> rows{};
    for (auto& [key, row] : found) {
        const std::uint64_t trips{unsampled_round_trips(totals, row.reason)};
        if (row.reason && *row.reason != vmcs::no_round_trip)
            row.reason_round_trips = totals.round_trips_by_reason[*row.reason];
        row.reads_per_trip = ratio(row.reads, trips);
        row.writes_per_trip = ratio(row.writes, trips);
        row.share = ratio(row.sum(), sums[key.first]);
        rows.push_back(row);
    }
    std::ranges::stable_sort(rows, [&](const ReportRow& a, const ReportRow& b) {
        if (group_of(a) != group_of(b)) return group_of(a) < group_of(b);
        const auto name_of{[](const ReportRow& row) { return vmcs::catalogue[row.field].symbol; }};
        if (options.sort == ReportSort::name) return name_of(a) < name_of(b);
        return std::tuple{b.sum(), b.outside, name_of(a)} < std::tuple{a.sum(), a.outside, name_of(b)};
    });
    if (options.top == 0) return rows;

    std::vector<ReportRow> kept{};
    std::size_t in_group{0};
    for (const auto& row : rows) {
        in_group = !kept.empty() && group_of(kept.back()) == group_of(row) ? in_group + 1 : 1;
        if (in_group <= options.top) kept.push_back(row);
    }
    return kept;
}

std::vector<SampledRow> sampled_rows(const db::Totals& totals, const ReportOptions& options) {
    if (totals.sampled_round_trips == 0) return {};
    const tuner::SampledWorkload workload{tuner::sampled_workload_of(totals)};
    std::vector<SampledRow> rows{};
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        const auto& reads{workload.reads[i]};
        const auto& writes{workload.writes[i]};
        // The other round trips may know better that there is something.
        if (reads.sum + writes.sum == 0 && totals.fields[i].sum() == totals.fields[i].outside) continue;
        rows.push_back({static_cast<vmcs::FieldIndex>(i), tuner::rate_interval(reads, workload),
                        tuner::rate_interval(writes, workload)});
    }
    std::ranges::stable_sort(rows, [&](const SampledRow& a, const SampledRow& b) {
        if (options.sort == ReportSort::name)
            return vmcs::catalogue[a.field].symbol < vmcs::catalogue[b.field].symbol;
        return a.reads.estimate + a.writes.estimate > b.reads.estimate + b.writes.estimate;
    });
    if (options.top != 0 && rows.size() > options.top) rows.resize(options.top);
    return rows;
}

std::string_view kvm_list_mark(vmcs::FieldIndex field, const db::Machine& machine) {
    const auto list{tuner::kvm_static_list(machine.profile_target().offered)};
    if (list.write.test(field)) return "RW";
    return list.read.test(field) ? "R" : "-";
}

} // namespace shadowtune::cli
