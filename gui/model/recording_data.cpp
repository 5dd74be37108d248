#include "gui/model/recording_data.hpp"

#include "db/unseen.hpp"
#include "tuner/evidence.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <numeric>

namespace shadowtune::gui {

std::string duration_text(double seconds) {
    char text[32]{};
    if (seconds < 120) {
        std::snprintf(text, sizeof(text), "%.*f s", seconds < 10 ? 1 : 0, seconds);
    } else if (seconds < 7200) {
        std::snprintf(text, sizeof(text), "%.1f min", seconds / 60);
    } else {
        std::snprintf(text, sizeof(text), "%.1f h", seconds / 3600);
    }
    return text;
}

vmcs::ShadowSets RecordingData::in_force() const {
    const auto found{std::ranges::find(generations, totals.generation, &db::Generation::number)};
    if (found == generations.end() || found->mode == db::Mode::trap) return {};
    return found->sets;
}

bool RecordingData::knows_in_force() const {
    const auto found{std::ranges::find(generations, totals.generation, &db::Generation::number)};
    return found == generations.end() || found->knows_sets();
}

vmcs::ShadowSets RecordingData::unseen() const {
    return db::unseen_in(generations, totals);
}

tuner::Workload RecordingData::workload() const {
    if (!is_sampled()) return tuner::workload_of(totals);
    return tuner::estimated_workload(tuner::evidence_of(totals, unseen()));
}

std::string short_name(const db::Labels& labels) {
    const std::string word{labels.l1_name.substr(0, labels.l1_name.find(' '))};
    if (word.empty()) return labels.l1_kind;
    return labels.l1_kind == "linux" && word != "Linux" ? "Linux " + word : word;
}

std::string RecordingData::title() const {
    return short_name(info.labels) + ", " + info.labels.workload + " (" +
           std::filesystem::path{key.file}.filename().string() + ":" + std::to_string(info.id) + ")";
}

double TimelineData::trapped_per_round_trip(std::size_t step) const {
    const db::Step& of{steps[step]};
    if (of.round_trips <= of.sampled_round_trips) return 0;
    const auto sum{std::accumulate(of.reads.begin(), of.reads.end(), std::uint64_t{0}) +
                   std::accumulate(of.writes.begin(), of.writes.end(), std::uint64_t{0})};
    return static_cast<double>(sum) / static_cast<double>(of.round_trips - of.sampled_round_trips);
}

vmcs::ShadowSets TimelineData::unseen(std::size_t step) const {
    return db::unseen_under(generations, moments[step].generation, moments[step + 1].generation);
}

bool TimelineData::complete(std::size_t step) const {
    if (steps[step].round_trips == 0 || steps[step].sampled_round_trips != 0) return true;
    // Something else was in force between the two.
    if (moments[step + 1].generation > moments[step].generation + 1) return false;
    return std::ranges::all_of(std::array{moments[step], moments[step + 1]}, [&](const db::Moment& moment) {
        const auto found{std::ranges::find(generations, moment.generation, &db::Generation::number)};
        return moment.all_trap || (found != generations.end() && found->mode == db::Mode::sample);
    });
}

double TimelineData::seconds(std::size_t moment) const {
    return static_cast<double>(moments[moment].at_ms - moments.front().at_ms) / 1000;
}

std::uint64_t TimelineData::lost(std::size_t step) const {
    const auto sum{[](const db::LinkStatistics& link) {
        return link.frames_dropped + link.frames_missed + link.snapshots_lost;
    }};
    // A recorder that was started anew counts from zero.
    const std::uint64_t before{sum(moments[step].link)};
    const std::uint64_t after{sum(moments[step + 1].link)};
    return after > before ? after - before : 0;
}

std::vector<const db::Decision*> TimelineData::decisions_in(std::size_t step) const {
    std::vector<const db::Decision*> made{};
    for (const db::Decision& decision : decisions) {
        const bool after{step == 0 || decision.at_ms >= moments[step].at_ms};
        const bool before{step + 1 == steps.size() || decision.at_ms < moments[step + 1].at_ms};
        if (after && before) made.push_back(&decision);
    }
    return made;
}

} // namespace shadowtune::gui
