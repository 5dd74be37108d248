#include "cli/tuning_loop.hpp"

#include "cli/budget.hpp"
#include "cli/connection.hpp"
#include "cli/recorder_errors.hpp"
#include "profiler/convert.hpp"
#include "tuner/profile_file.hpp"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <utility>

namespace shadowtune::cli {

namespace {

using Kind = tuner::Verdict::Kind;

[[nodiscard]] std::string_view text(tuner::Choice choice) {
    constexpr std::string_view names[]{"-", "R", "RW"};
    return names[static_cast<std::size_t>(choice)];
}

[[nodiscard]] db::Rate rate_of(const tuner::RateInterval& interval) {
    return {interval.estimate, interval.low, interval.high};
}

[[nodiscard]] std::string words_of(const tuner::Verdict& verdict) {
    std::string words{};
    for (const tuner::FieldChange& change : verdict.changes) {
        words += fmt::format("{}{} {} to {} ({:.4f} reads, {:.4f} writes)", words.empty() ? "" : ", ",
                             vmcs::catalogue[change.field].symbol, text(change.before), text(change.after),
                             change.reads.estimate, change.writes.estimate);
    }
    return words;
}

// Every vCPU runs this generation.
[[nodiscard]] bool runs(const db::Snapshot& snapshot, std::uint32_t generation) {
    return std::ranges::all_of(snapshot.vcpus,
                               [&](const auto& vcpu) { return vcpu.generation == generation; });
}

} // namespace

Result<bool, CliError> TuningLoop::step() {
    const auto polled{m_recorder.poll()};
    if (!polled) return Failure{to_cli_error(polled.error())};
    db::Snapshot snapshot{m_recorder.last()};
    if (snapshot.vcpus.empty()) return false;
    m_round_trips = db::round_trips_of(snapshot);
    ++m_snapshot;
    if (const auto& recordings{m_recorder.summary().recordings}; recordings.size() != m_recordings) {
        m_recordings = recordings.size();
        m_snapshot = 1;
        if (auto begun{begin()}; !begun) return Failure{begun.error()};
        return polled.value();
    }
    const auto newest{std::ranges::max(snapshot.vcpus, {}, &db::VcpuSnapshot::generation).generation};
    if (m_generation != 0 && newest > m_generation) {
        return Failure{CliError{ExitCode::refused,
                                fmt::format("generation {} was loaded by somebody else: let one of the two "
                                            "tune, and start again",
                                            newest)}};
    }
    // Bitmaps on their way: what was counted before says nothing about them.
    if (m_generation != 0 && !runs(snapshot, m_generation)) return polled.value();
    if (auto judged{judge(std::move(snapshot))}; !judged) return Failure{judged.error()};
    return polled.value();
}

// A VMM that nobody has tuned yet: the first, or one that booted anew.
Result<void, CliError> TuningLoop::begin() {
    const auto hello{m_session.hello()};
    if (!hello) return Failure{to_cli_error(hello.error())};
    m_options.tuner.target = hello.value().profile_target();
    const auto budget{
        parse_budgets(m_options.budgets, m_options.tuner.target.offered.count(), m_options.tuner.costs)};
    if (!budget) return Failure{budget.error()};
    m_options.tuner.budget = budget.value();
    m_last = Kind::gather;
    m_profile_name.clear();
    if (m_options.dry_run) return begin_dry_run(hello.value());

    const vmcs::ShadowSets sets{m_options.first.value_or(vmcs::ShadowSets{})};
    if (auto good{check_sets(sets, m_options.tuner.target, "--profile")}; !good) return good;
    m_autotuner.emplace(m_options.tuner, sets, sets);
    m_sampling = false;
    if (m_options.first) {
        if (auto loaded{load(sets)}; !loaded) return loaded;
    } else if (auto trapping{put_in_mode(link::Mode::trap, {})}; !trapping) {
        return trapping;
    }
    return log({}, "start", fmt::format("{} on {}", hello.value().l1_name, hello.value().cpu_brand));
}

// The bitmaps stay what they are: known only in mode trap. In mode sample what they pass is not, so nothing
// but the sample counts.
Result<void, CliError> TuningLoop::begin_dry_run(const link::HelloInfo& hello) {
    const auto status{m_session.status()};
    if (!status) return Failure{to_cli_error(status.error())};
    const auto is{[&](link::Mode mode) {
        return std::ranges::all_of(status.value(), [mode](const auto& vcpu) { return vcpu.mode == mode; });
    }};
    if (!is(link::Mode::trap) && !is(link::Mode::sample)) {
        return Failure{
            CliError{ExitCode::refused,
                     "--dry-run: in mode tuned shadowed accesses are not seen; first run 'shadowtune "
                     "record --mode trap' or '--mode sample:64'"}};
    }
    const auto unseen{is(link::Mode::trap) ? vmcs::ShadowSets{}
                                           : vmcs::everything_allowed(m_options.tuner.target)};
    m_autotuner.emplace(m_options.tuner, vmcs::ShadowSets{}, unseen);
    return log({}, "start", fmt::format("{} on {}, dry run", hello.l1_name, hello.cpu_brand));
}

Result<void, CliError> TuningLoop::judge(db::Snapshot snapshot) {
    const tuner::Verdict verdict{m_autotuner->observe(std::move(snapshot))};
    if (verdict.kind == Kind::retune) {
        if (m_options.dry_run) {
            m_autotuner->change_to(verdict, false);
            m_last = Kind::gather;
            return log(verdict, "would retune", words_of(verdict));
        }
        if (auto loaded{load(verdict.sets)}; !loaded) {
            if (loaded.error().code != ExitCode::refused) return loaded;
            if (auto logged{log(verdict, "refused", loaded.error().message)}; !logged) return logged;
            return loaded;
        }
        ++m_retunes;
        m_autotuner->change_to(verdict, true);
        m_last = Kind::gather;
        return log(verdict, "retune", words_of(verdict));
    }
    if (std::exchange(m_last, verdict.kind) == verdict.kind) return {};
    switch (verdict.kind) {
    case Kind::gather: return log(verdict, "gather", "too few round trips to conclude anything");
    case Kind::keep: return log(verdict, "keep", "nothing better is known");
    default: return log(verdict, "wait", words_of(verdict) + ": not worth a reload yet");
    }
}

Result<void, CliError> TuningLoop::load(const vmcs::ShadowSets& sets) {
    tuner::Profile profile{};
    profile.name = m_profile_name = fmt::format("autotune-{}", m_retunes + 1);
    profile.sets = sets;
    const auto loaded{m_session.load_profile(tuner::to_image(profile))};
    if (!loaded) return Failure{to_cli_error(loaded.error())};
    if (!m_sampling) return put_in_mode(link::Mode::sample, sets);
    take(loaded.value(), link::Mode::sample, sets);
    return {};
}

Result<void, CliError> TuningLoop::put_in_mode(link::Mode mode, const vmcs::ShadowSets& sets) {
    const auto generation{m_session.set_mode(mode, interval_in(mode))};
    if (!generation) return Failure{to_cli_error(generation.error())};
    take(generation.value(), mode, sets);
    return {};
}

void TuningLoop::take(std::uint32_t generation, link::Mode mode, const vmcs::ShadowSets& sets) {
    m_generation = generation;
    m_sampling = mode == link::Mode::sample;
    m_recorder.note({generation, static_cast<db::Mode>(mode), interval_in(mode), m_profile_name, sets});
}

Result<void, CliError> TuningLoop::log(const tuner::Verdict& verdict, std::string action, std::string words) {
    const auto now{std::chrono::system_clock::now()};
    db::Decision decision{profiler::milliseconds_since_1970(now),
                          m_snapshot,
                          m_round_trips,
                          verdict.round_trips,
                          std::move(action),
                          m_generation,
                          verdict.trapped,
                          verdict.gain,
                          std::string{m_options.tuner.costs.unit},
                          std::move(words),
                          {}};
    for (const tuner::FieldChange& change : verdict.changes) {
        decision.changes.push_back({change.field, std::string{text(change.before)},
                                    std::string{text(change.after)}, rate_of(change.reads),
                                    rate_of(change.writes)});
    }
    fmt::print("{:%H:%M:%S}  {:>12}  {:<12}  {:.4f} trapped{}  {}\n",
               std::chrono::floor<std::chrono::seconds>(now), grouped(m_round_trips), decision.action,
               decision.trapped,
               decision.gain == 0 ? "" : fmt::format(", gains {:.0f} {}", decision.gain, decision.unit),
               decision.words);
    if (finish_output() != 0) return Failure{CliError{ExitCode::output_failed, "standard output is closed"}};
    const auto added{db::add_decision(m_database, m_recorder.summary().recordings.back(), decision)};
    if (!added) return Failure{to_cli_error(added.error())};
    return {};
}

} // namespace shadowtune::cli
