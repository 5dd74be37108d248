#pragma once

// One recording as the views see it: read once on the loader's thread, never changed afterwards, and shared.

#include "db/decisions.hpp"
#include "db/recording_reader.hpp"
#include "tuner/costs.hpp"
#include "tuner/phases.hpp"
#include "tuner/sampling.hpp"
#include "tuner/workload.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shadowtune::gui {

// "12 s", "4.5 min", "3.2 h".
[[nodiscard]] std::string duration_text(double seconds);

struct RecordingKey {
    std::string file;
    std::int64_t id{0}; // 0: the newest
    friend bool operator==(const RecordingKey&, const RecordingKey&) = default;
};

[[nodiscard]] inline bool is_in(const vmcs::ShadowSets& sets, vmcs::FieldIndex field, db::Access access) {
    return (access == db::Access::read ? sets.read : sets.write).test(field);
}

// The L1's short name, of what L0 tells: "Linux 6.1.0-56-cloud-amd64", "xen-4.17".
[[nodiscard]] std::string short_name(const db::Labels& labels);

// What the counts are of: one stretch of a recording, all vCPUs or one.
struct RecordingData {
    RecordingKey key;
    db::RecordingInfo info;
    db::Machine machine;
    std::vector<db::Generation> generations;
    db::SnapshotRange whole; // 0 to 0 where there are no two snapshots yet
    db::Totals totals;       // of the range and the vCPU asked for
    tuner::CostTable costs;  // the file's own calibration of this processor, or the published ones
    bool measured_costs{false};

    // Sets in force at the end of the range; empty where every access traps or nobody knows.
    [[nodiscard]] vmcs::ShadowSets in_force() const;
    // L0 tells the name of a profile that somebody else loaded, and no more.
    [[nodiscard]] bool knows_in_force() const;
    // As db::unseen_in().
    [[nodiscard]] vmcs::ShadowSets unseen() const;
    [[nodiscard]] bool is_sampled() const { return totals.sampled_round_trips != 0; }
    // Rates are of all accesses, not only of those that trapped.
    [[nodiscard]] bool complete() const { return totals.all_trap || is_sampled(); }
    // What the tuner goes by: exact counts, or estimates from the sample.
    [[nodiscard]] tuner::Workload workload() const;
    // "Linux 6.1.0, steady, recording 1": for people.
    [[nodiscard]] std::string title() const;
};
using RecordingPtr = std::shared_ptr<const RecordingData>;

// The whole recording cut into steps. `moments` has one more than `steps`: the ends of each.
struct TimelineData {
    RecordingKey key;
    std::vector<db::Step> steps;
    std::vector<db::Moment> moments;
    tuner::Phases phases;
    std::vector<db::Generation> generations;
    std::vector<db::Decision> decisions; // of the closed loop, where it recorded this

    [[nodiscard]] double trapped_per_round_trip(std::size_t step) const;
    // As db::unseen_under() in a step.
    [[nodiscard]] vmcs::ShadowSets unseen(std::size_t step) const;
    // All accesses of a step can be told: every one was counted, or round trips were sampled, had there been
    // enough of them.
    [[nodiscard]] bool complete(std::size_t step) const;
    // Seconds since the first moment.
    [[nodiscard]] double seconds(std::size_t moment) const;
    // Frames and snapshots that were lost in a step.
    [[nodiscard]] std::uint64_t lost(std::size_t step) const;
    // Made in a step. The first has those before it as well, the last those after it.
    [[nodiscard]] std::vector<const db::Decision*> decisions_in(std::size_t step) const;
};
using TimelinePtr = std::shared_ptr<const TimelineData>;

} // namespace shadowtune::gui
