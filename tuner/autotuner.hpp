#pragma once

// The closed loop's judgement: from snapshot to snapshot, whether the bitmaps still fit what L1 does, and
// which would. Nothing here talks to anybody; docs/autotune.md explains the rules.
//
// Bitmaps change once what they cost too much, summed over the round trips that showed it, would have paid
// for several reloads. A field that traps is seen at each access and so taken in quickly. One that is
// shadowed is seen in sampled round trips alone, and its copies cost little: it goes only when the sample
// decides, and each time that it had to come back it stays four times as long.

#include "db/snapshot_totals.hpp"
#include "tuner/decision.hpp"

#include <deque>

namespace shadowtune::tuner {

struct AutotunerOptions {
    CostTable costs{published_costs()};
    Budget budget{};
    vmcs::ProfileTarget target{};
    double confidence{0.99};                 // of the intervals that decide about shadowed fields
    std::uint64_t least_round_trips{1'000};  // nothing is concluded from fewer
    std::uint64_t most_round_trips{200'000}; // what is older does not count any more
    std::uint64_t first_patience{5'000};     // round trips that a field stays at least
    double worth_of_reload{50};              // in trapped reads: a change has to have been worth so much
};

// One field's change, and the rates that speak for it.
struct FieldChange {
    vmcs::FieldIndex field{vmcs::no_field};
    Choice before{Choice::none};
    Choice after{Choice::none};
    RateInterval reads; // per round trip
    RateInterval writes;
};

struct Verdict {
    enum class Kind : std::uint8_t {
        gather, // too few round trips since the last change
        keep,   // the sets are the best, as far as can be told
        wait,   // others would be better, but have not been worth a reload yet
        retune, // change to `sets`
    };
    Kind kind{Kind::gather};
    std::uint64_t round_trips{0};     // that it goes by: since the last change, or most_round_trips
    double trapped{0};                // accesses per round trip of these, sampled round trips left out
    double gain{0};                   // by the change, per round trip, in the cost table's unit
    vmcs::ShadowSets sets;            // as they are, or should be
    std::vector<FieldChange> changes; // where wait or retune
};

class Autotuner {
public:
    // `sets`: to judge by. `in_force`: those of the bitmaps, empty in mode trap; where they are not known,
    // all that may be shadowed.
    Autotuner(AutotunerOptions options, const vmcs::ShadowSets& sets, const vmcs::ShadowSets& in_force)
        : m_options{std::move(options)}, m_sets{sets}, m_in_force{in_force} {}

    // A snapshot after those before, of the same boot, with each vCPU under the sets in force.
    [[nodiscard]] Verdict observe(db::Snapshot snapshot);

    // The verdict's sets are to be from now on. `in_force`: they are, and only what is observed after this
    // call counts. Else (a dry run) the bitmaps stay, and only the judgement goes on from these sets.
    void change_to(const Verdict& verdict, bool in_force);

    [[nodiscard]] const vmcs::ShadowSets& sets() const { return m_sets; }

private:
    // How a field's past weighs.
    struct Memory {
        std::uint64_t patience{0}; // 0: the first
        bool was_dropped{false};
    };

    // From the shortest to the longest, each up to now; never empty.
    using Windows = std::vector<Evidence>;

    [[nodiscard]] Windows last_windows() const;
    [[nodiscard]] std::uint64_t patience_of(vmcs::FieldIndex field) const {
        return m_memory[field].patience == 0 ? m_options.first_patience : m_memory[field].patience;
    }
    [[nodiscard]] Choice best(vmcs::FieldIndex field, const Windows& windows, bool may_write) const;
    [[nodiscard]] vmcs::ShadowSets propose(const Windows& windows) const;
    void weigh(Verdict& verdict, const Windows& windows) const;

    AutotunerOptions m_options;
    vmcs::ShadowSets m_sets;     // decided
    vmcs::ShadowSets m_in_force; // of the bitmaps: what was seen and what was not
    std::deque<db::Snapshot> m_history;
    std::array<Memory, vmcs::field_count> m_memory{};
};

} // namespace shadowtune::tuner
