#include "db/calibration.hpp"
#include "gui/model/loader.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace shadowtune::gui {

namespace {

// The catalogue's mend for what is no recording: which of our files it is instead.
[[nodiscard]] Failure<db::Error> no_recording(const std::string& file) {
    return Failure{db::Error{db::ErrorKind::not_a_database,
                             file + ": is no recording; open a file made by 'shadowtune record'"}};
}

// So many steps at most, each of several that follow each other.
[[nodiscard]] std::vector<db::Step> merged(const std::vector<db::Step>& steps, std::size_t most) {
    const std::size_t stride{(steps.size() + most - 1) / most};
    std::vector<db::Step> coarse{};
    for (std::size_t i{0}; i < steps.size(); ++i) {
        if (i % stride == 0) {
            coarse.push_back(steps[i]);
            continue;
        }
        db::Step& to{coarse.back()};
        to.range.to = steps[i].range.to;
        to.round_trips += steps[i].round_trips;
        for (std::size_t field{0}; field < vmcs::field_count; ++field) {
            to.reads[field] += steps[i].reads[field];
            to.writes[field] += steps[i].writes[field];
        }
    }
    return coarse;
}

} // namespace

Result<db::Database*, db::Error> RecordingSource::open(const std::string& file) {
    if (const auto found{m_files.find(file)}; found != m_files.end()) return found->second.get();
    std::error_code ignored{};
    if (std::filesystem::is_regular_file(file, ignored) && std::filesystem::file_size(file, ignored) != 0 &&
        std::ifstream{file}.good() && !db::is_database(file)) {
        return no_recording(file);
    }
    auto opened{db::Database::open(file, db::OpenMode::read)};
    if (!opened) return Failure{opened.error()};
    auto& kept{m_files[file]};
    kept = std::make_unique<db::Database>(std::move(opened).value());
    return kept.get();
}

Result<FileContents, db::Error> RecordingSource::list(const std::string& file) {
    m_files.erase(file); // it may be another one by now
    const auto database{open(file)};
    if (!database) return Failure{database.error()};
    auto recordings{db::RecordingReader::list(*database.value())};
    if (!recordings) return Failure{recordings.error()};
    return FileContents{file, std::move(recordings).value()};
}

Result<std::uint32_t, db::Error> RecordingSource::snapshots(const RecordingKey& key) {
    const auto database{open(key.file)};
    if (!database) return Failure{database.error()};
    const auto reader{db::RecordingReader::open(*database.value(), key.id)};
    if (!reader) return Failure{reader.error()};
    return reader.value().info().snapshots;
}

Result<RecordingPtr, db::Error> RecordingSource::read(const RecordingKey& key, const Filter& filter) {
    const auto database{open(key.file)};
    if (!database) return Failure{database.error()};
    const auto opened{db::RecordingReader::open(*database.value(), key.id)};
    if (!opened) return Failure{opened.error()};
    const db::RecordingReader& reader{opened.value()};
    auto data{std::make_shared<RecordingData>()};
    data->key = {key.file, reader.info().id};
    data->info = reader.info();
    data->machine = reader.machine();
    auto generations{reader.generations()};
    if (!generations) return Failure{generations.error()};
    data->generations = std::move(generations).value();
    data->costs = tuner::published_costs();
    const auto calibrations{db::read_calibrations(*database.value())};
    if (!calibrations) return Failure{calibrations.error()};
    if (const auto* const own{tuner::calibration_for(calibrations.value(), data->machine)}; own != nullptr) {
        data->costs = tuner::measured_costs(*own);
        data->measured_costs = true;
    }
    if (data->info.snapshots >= 2) data->whole = {1, data->info.snapshots};
    // One snapshot alone says what was since power-on.
    const db::SnapshotRange all{data->info.snapshots >= 2 ? 1U : 0U, data->info.snapshots};
    if (data->info.snapshots == 0) return RecordingPtr{std::move(data)};
    db::SnapshotRange range{filter.range.value_or(all)};
    range.to = std::min(range.to, data->info.snapshots);
    if (range.from >= range.to) range = all;
    const bool has_vcpu{filter.vcpu && *filter.vcpu < data->machine.vcpus};
    auto totals{reader.totals(range, has_vcpu ? filter.vcpu : std::nullopt)};
    if (!totals) return Failure{totals.error()};
    data->totals = std::move(totals).value();
    return RecordingPtr{std::move(data)};
}

Result<TimelinePtr, db::Error> RecordingSource::timeline(const RecordingKey& key) {
    const auto database{open(key.file)};
    if (!database) return Failure{database.error()};
    const auto opened{db::RecordingReader::open(*database.value(), key.id)};
    if (!opened) return Failure{opened.error()};
    const db::RecordingReader& reader{opened.value()};
    auto timeline{std::make_shared<TimelineData>()};
    timeline->key = {key.file, reader.info().id};
    auto generations{reader.generations()};
    if (!generations) return Failure{generations.error()};
    timeline->generations = std::move(generations).value();
    auto decisions{db::read_decisions(*database.value(), reader.info().id)};
    if (!decisions) return Failure{decisions.error()};
    timeline->decisions = std::move(decisions).value();
    const std::uint32_t snapshots{reader.info().snapshots};
    if (snapshots < 2) return TimelinePtr{std::move(timeline)};
    auto steps{reader.steps({1, snapshots}, most_time_steps)};
    if (!steps) return Failure{steps.error()};
    timeline->steps = std::move(steps).value();
    std::vector<std::uint32_t> ends{timeline->steps.front().range.from};
    for (const db::Step& step : timeline->steps)
        ends.push_back(step.range.to);
    auto moments{reader.moments(ends)};
    if (!moments) return Failure{moments.error()};
    if (moments.value().size() != ends.size()) {
        return Failure{db::Error{db::ErrorKind::damaged, key.file + ": a snapshot is missing; record again"}};
    }
    timeline->moments = std::move(moments).value();
    timeline->phases = tuner::find_phases(merged(timeline->steps, tuner::most_steps));
    m_timeline = timeline;
    return TimelinePtr{std::move(timeline)};
}

Result<HeatmapPtr, db::Error> RecordingSource::heatmap(const HeatmapRequest& request) {
    auto recording{read(request.key, request.filter)};
    if (!recording) return Failure{recording.error()};
    auto data{std::make_shared<HeatmapData>()};
    data->recording = std::move(recording).value();
    if (request.filter.axis == Axis::time) {
        const bool at_hand{m_timeline && m_timeline->key == data->recording->key &&
                           m_timeline->steps.size() > 0 &&
                           m_timeline->steps.back().range.to == data->recording->info.snapshots};
        auto timeline{at_hand ? Result<TimelinePtr, db::Error>{m_timeline} : this->timeline(request.key)};
        if (!timeline) return Failure{timeline.error()};
        TimelineData shown{*timeline.value()};
        if (const auto& range{request.filter.range}; range && !shown.steps.empty()) {
            // Those steps that lie in the range; `moments` stays aligned.
            const auto outside{[&](const db::Step& step) {
                return step.range.from < range->from || step.range.to > range->to;
            }};
            std::vector<db::Step> steps{};
            std::vector<db::Moment> moments{};
            for (std::size_t i{0}; i < shown.steps.size(); ++i) {
                if (outside(shown.steps[i])) continue;
                if (moments.empty()) moments.push_back(shown.moments[i]);
                moments.push_back(shown.moments[i + 1]);
                steps.push_back(shown.steps[i]);
            }
            shown.steps = std::move(steps);
            shown.moments = std::move(moments);
        }
        data->matrix = matrix_by_time(shown);
        data->timeline = std::move(timeline).value();
    } else if (request.filter.axis == Axis::reason) {
        data->matrix = matrix_by_reason(*data->recording, request.filter.reasons);
    } else {
        std::vector<RecordingPtr> all{};
        for (const RecordingKey& key : request.others) {
            if (key == data->recording->key) {
                all.push_back(data->recording);
                continue;
            }
            Filter whole{request.filter};
            whole.range.reset(); // of the one that is shown
            auto other{read(key, whole)};
            if (!other) return Failure{other.error()};
            if (other.value()->totals.counters.round_trips != 0) all.push_back(std::move(other).value());
        }
        data->matrix = matrix_by_recording(all, request.filter.axis);
    }
    data->rows = arrange_rows(data->matrix, data->recording->machine.offered_fields, request.filter.rows);
    return HeatmapPtr{std::move(data)};
}

} // namespace shadowtune::gui
