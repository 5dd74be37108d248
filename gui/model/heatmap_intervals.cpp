#include "gui/model/heatmap_matrix.hpp"

#include <algorithm>
#include <cmath>

namespace shadowtune::gui {

namespace {

using tuner::RateInterval;

// `wanted`: which of the sampled accesses.
template <typename Wanted>
[[nodiscard]] RateInterval interval_of(const std::vector<db::SampledTotal>& sampled,
                                       std::uint64_t sampled_round_trips, std::uint64_t round_trips,
                                       Wanted wanted) {
    tuner::SampledCount count{0, 0, 0, ~std::uint32_t{0}};
    for (const db::SampledTotal& of : sampled) {
        if (!wanted(of)) continue;
        count.sum += of.count;
        count.sum_squares += of.squares;
    }
    return tuner::rate_interval(count, sampled_round_trips, round_trips);
}

// The recordings are independent of each other, so that the ends' distances add up as standard errors do.
[[nodiscard]] std::optional<RateInterval> of_mean(const HeatmapColumn& column, vmcs::FieldIndex field,
                                                  db::Access access) {
    RateInterval mean{};
    double below{0};
    double above{0};
    bool estimated{false};
    for (const RecordingPtr& recording : column.members) {
        const db::Totals& totals{recording->totals};
        const double weight{static_cast<double>(totals.counters.round_trips) /
                            static_cast<double>(std::max<std::uint64_t>(column.round_trips, 1))};
        const CellRate rate{overall_rate(*recording, field)};
        mean.estimate += weight * (access == db::Access::read ? rate.reads : rate.writes);
        if (!recording->is_sampled() || !is_in(recording->unseen(), field, access)) continue;
        estimated = true;
        const RateInterval own{interval_of(
            totals.sampled, totals.sampled_round_trips, totals.counters.round_trips,
            [&](const db::SampledTotal& of) { return of.field == field && of.access == access; })};
        below += std::pow(weight * (own.estimate - own.low), 2);
        above += std::pow(weight * (own.high - own.estimate), 2);
    }
    if (!estimated) return std::nullopt;
    mean.low = std::max(mean.estimate - std::sqrt(below), 0.0);
    mean.high = mean.estimate + std::sqrt(above);
    return mean;
}

} // namespace

std::optional<RateInterval> cell_interval(const HeatmapMatrix& matrix, const RecordingData& recording,
                                          const TimelineData* timeline, vmcs::FieldIndex field,
                                          std::size_t column, db::Access access) {
    if (matrix.differences) return std::nullopt;
    const HeatmapColumn& of{matrix.columns[column]};
    const auto is_wanted{
        [&](const db::SampledTotal& sampled) { return sampled.field == field && sampled.access == access; }};
    if (matrix.axis == Axis::reason && of.reason) {
        if (!recording.is_sampled() || !is_in(recording.unseen(), field, access)) return std::nullopt;
        const db::Totals& totals{recording.totals};
        return interval_of(totals.sampled, totals.sampled_round_trips_by_reason[*of.reason],
                           totals.round_trips_by_reason[*of.reason], [&](const db::SampledTotal& sampled) {
                               return is_wanted(sampled) && sampled.reason == *of.reason;
                           });
    }
    if (matrix.axis != Axis::time) return of_mean(of, field, access);
    if (timeline == nullptr || !recording.is_sampled()) return std::nullopt;
    const auto found{
        std::ranges::find(timeline->steps, of.range.to, [](const db::Step& step) { return step.range.to; })};
    if (found == timeline->steps.end()) return std::nullopt;
    const auto place{static_cast<std::size_t>(found - timeline->steps.begin())};
    if (!is_in(timeline->unseen(place), field, access)) return std::nullopt;
    return interval_of(found->sampled, found->sampled_round_trips, found->round_trips, is_wanted);
}

} // namespace shadowtune::gui
