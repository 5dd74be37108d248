#pragma once

// The closed loop on a running VMM: records it, asks the autotuner after each snapshot, loads what that
// concludes, and writes down why.

#include "cli/console.hpp"
#include "db/decisions.hpp"
#include "profiler/recorder.hpp"
#include "tuner/autotuner.hpp"

#include <optional>

namespace shadowtune::cli {

struct TuningLoopOptions {
    tuner::AutotunerOptions tuner;         // its target is filled in from the VMM
    std::vector<std::string> budgets;      // as of --budget, for a share is one of the fields offered
    std::optional<vmcs::ShadowSets> first; // in force from the start; none: mode trap
    std::uint16_t sample_interval{64};
    bool dry_run{false};
};

class TuningLoop {
public:
    // All must outlive the loop.
    TuningLoop(link::Session& session, db::Database& database, profiler::Recorder& recorder,
               TuningLoopOptions options)
        : m_session{session}, m_database{database}, m_recorder{recorder}, m_options{std::move(options)} {}

    // One snapshot and what follows from it. True: L1 is stopped. Errors: link, database, refused where L0
    // says no or somebody else loads bitmaps, usage for the budget.
    [[nodiscard]] Result<bool, CliError> step();

    [[nodiscard]] const vmcs::ShadowSets& sets() const { return m_autotuner->sets(); }
    [[nodiscard]] bool began() const { return m_autotuner.has_value(); }
    [[nodiscard]] unsigned retunes() const { return m_retunes; }
    [[nodiscard]] const tuner::CostTable& costs() const { return m_options.tuner.costs; }

private:
    [[nodiscard]] Result<void, CliError> begin();
    [[nodiscard]] Result<void, CliError> begin_dry_run(const link::HelloInfo& hello);
    [[nodiscard]] Result<void, CliError> judge(db::Snapshot snapshot);
    [[nodiscard]] Result<void, CliError> load(const vmcs::ShadowSets& sets);
    [[nodiscard]] Result<void, CliError> put_in_mode(link::Mode mode, const vmcs::ShadowSets& sets);
    // L0 took what it was sent: that is its generation from now on.
    void take(std::uint32_t generation, link::Mode mode, const vmcs::ShadowSets& sets);
    [[nodiscard]] std::uint16_t interval_in(link::Mode mode) const {
        return mode == link::Mode::sample ? m_options.sample_interval : std::uint16_t{0};
    }
    [[nodiscard]] Result<void, CliError> log(const tuner::Verdict& verdict, std::string action,
                                             std::string words);

    link::Session& m_session;
    db::Database& m_database;
    profiler::Recorder& m_recorder;
    TuningLoopOptions m_options;
    std::optional<tuner::Autotuner> m_autotuner; // of this boot
    std::size_t m_recordings{0};                 // that began so far: another one is another boot
    std::uint32_t m_generation{0};               // ours, or 0 in a dry run
    bool m_sampling{false};                      // so L0 puts a new profile into this mode by itself
    std::string m_profile_name;
    tuner::Verdict::Kind m_last{tuner::Verdict::Kind::gather};
    unsigned m_retunes{0};
    std::uint64_t m_round_trips{0};
    std::uint32_t m_snapshot{0}; // of the recording
};

} // namespace shadowtune::cli
