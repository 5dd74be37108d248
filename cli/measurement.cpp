#include "cli/measurement.hpp"

#include "cli/connection.hpp"
#include "db/snapshot_totals.hpp"
#include "profiler/convert.hpp"

#include <chrono>

namespace shadowtune::cli {

namespace {

using Clock = std::chrono::steady_clock;

[[nodiscard]] Result<db::Snapshot, CliError> snapshot_of(link::Session& session) {
    const auto snapshot{session.snapshot()};
    if (!snapshot) return Failure{to_cli_error(snapshot.error())};
    return profiler::snapshot_of(snapshot.value(), session.statistics());
}

[[nodiscard]] Result<std::uint64_t, CliError> round_trips_of(link::Session& session) {
    const auto status{session.status()};
    if (!status) return Failure{to_cli_error(status.error())};
    std::uint64_t sum{0};
    for (const link::VcpuStatus& vcpu : status.value())
        sum += vcpu.round_trips;
    return sum;
}

} // namespace

Measurement measurement_of(const db::Totals& totals) {
    const auto each{[&](std::uint64_t count) {
        return static_cast<double>(count) / static_cast<double>(totals.counters.round_trips);
    }};
    return {totals.counters.round_trips, totals.trapped_per_round_trip(),
            each(totals.counters.sync_reads + totals.counters.sync_writes),
            each(totals.counters.round_trip_ticks), each(totals.counters.l0_ticks)};
}

Result<std::optional<Measurement>, CliError> measure(link::Session& session, std::uint64_t round_trips,
                                                     double timeout_s) {
    constexpr std::chrono::milliseconds pause{50};
    const auto deadline{Clock::now() +
                        std::chrono::ceil<Clock::duration>(std::chrono::duration<double>{timeout_s})};
    const auto before{snapshot_of(session)};
    if (!before) return Failure{before.error()};
    const auto first{round_trips_of(session)};
    if (!first) return Failure{first.error()};
    for (auto now{first}; now.value() - first.value() < round_trips;) {
        if (Clock::now() >= deadline) return std::optional<Measurement>{};
        const auto listened{session.listen(pause)};
        if (!listened) return Failure{to_cli_error(listened.error())};
        if (!listened.value()) return std::optional<Measurement>{};
        now = round_trips_of(session);
        if (!now) return Failure{now.error()};
    }
    const auto after{snapshot_of(session)};
    if (!after) return Failure{after.error()};
    const db::Totals totals{db::totals_between(before.value(), after.value())};
    if (totals.first_generation != totals.generation || totals.unsampled_round_trips() == 0)
        return std::optional<Measurement>{};
    return std::optional{measurement_of(totals)};
}

} // namespace shadowtune::cli
