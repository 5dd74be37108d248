#include "profiler/calibrator.hpp"

#include "profiler/calibration_plan.hpp"
#include "profiler/convert.hpp"

#include <algorithm>
#include <cstring>

namespace shadowtune::profiler {

namespace {

using Clock = std::chrono::steady_clock;
using link::LinkError;
using link::LinkErrorKind;

constexpr std::chrono::milliseconds shortest_pause{5};
constexpr std::chrono::milliseconds first_pause{30};
constexpr std::chrono::milliseconds longest_pause{1'000};

[[nodiscard]] Failure<LinkError> not_the_calibrations_l1() {
    return Failure{
        LinkError{LinkErrorKind::refused,
                  "the L1 under this VMM makes no round trips to calibrate by; boot micro-l1.elf "
                  "with the command line 'script=calibrate', or use 'shadowtune calibrate --lab'"}};
}

[[nodiscard]] link::ProfileImage image_of(std::string_view orders, const vmcs::ShadowSets& sets) {
    link::ProfileImage image{};
    image.magic = link::profile_magic;
    image.catalogue_version = vmcs::catalogue_version;
    sets.read.store(image.read);
    sets.write.store(image.write);
    std::memcpy(image.name, orders.data(), std::min(orders.size(), sizeof(image.name) - 1));
    return image;
}

class Calibrator {
public:
    Calibrator(link::Session& session, const CalibratorOptions& options)
        : m_session{session}, m_options{options} {}

    [[nodiscard]] Result<db::Calibration, LinkError> run() {
        const auto hello{m_session.hello()};
        if (!hello) return Failure{hello.error()};
        const CalibrationPlan plan{plan_calibration(hello.value().profile_target())};
        std::vector<std::vector<double>> rounds{};
        std::vector<std::chrono::milliseconds> pauses(plan.points.size(), first_pause);
        while (rounds.size() < m_options.rounds) {
            auto& round{rounds.emplace_back()};
            for (std::size_t i{0}; i < plan.points.size(); ++i) {
                const auto ticks{measure(plan.points[i], pauses[i])};
                if (!ticks) return Failure{ticks.error()};
                round.push_back(ticks.value());
            }
            if (m_options.on_round) m_options.on_round(static_cast<std::uint32_t>(rounds.size()));
        }
        db::Calibration calibration{};
        calibration.machine = machine_of(hello.value());
        calibration.cpu_model = m_options.cpu_model;
        calibration.tool_version = m_options.tool_version;
        calibration.unit = m_options.cpu_model.empty() ? "cycles" : "instructions";
        calibration.made_ms = milliseconds_since_1970(std::chrono::system_clock::now());
        calibration.figures = figures_of(plan, rounds);
        if (auto added{add_timings(calibration)}; !added) return Failure{added.error()};
        // Another L1 may make round trips as well, but does not do as it is told.
        const auto trapped{
            std::ranges::find(calibration.figures, db::Quantity::trapped_read, &db::CostFigure::quantity)};
        const auto empty{
            std::ranges::find(calibration.figures, db::Quantity::round_trip, &db::CostFigure::quantity)};
        if (trapped->median < empty->median / 100) return not_the_calibrations_l1();
        return calibration;
    }

private:
    // What L0 has measured of its processor itself.
    [[nodiscard]] Result<void, LinkError> add_timings(db::Calibration& calibration) {
        const auto measured{m_session.timings()};
        if (!measured) return Failure{measured.error()};
        const link::Timings& timings{measured.value()};
        const auto add{[&](db::Quantity quantity, const link::Timing& of) {
            if (timings.repetitions == 0 || of.most == 0) return;
            const auto ticks{[](std::uint32_t value) { return static_cast<double>(value); }};
            calibration.figures.push_back({quantity,
                                           {},
                                           {},
                                           ticks(of.median),
                                           ticks(of.lower_quartile),
                                           ticks(of.upper_quartile),
                                           ticks(of.least),
                                           ticks(of.most),
                                           timings.repetitions});
        }};
        add(db::Quantity::exit_entry, timings.exit_entry);
        add(db::Quantity::vmptrld, timings.vmptrld);
        add(db::Quantity::vmclear, timings.vmclear);
        return {};
    }

    [[nodiscard]] Result<link::VcpuStatus, LinkError> status() {
        const auto all{m_session.status()};
        if (!all) return Failure{all.error()};
        return all.value().front();
    }

    // Ticks per round trip with these sets in force. `pause`: how long its round trips take, as far as known.
    [[nodiscard]] Result<double, LinkError> measure(const CalibrationPoint& point,
                                                    std::chrono::milliseconds& pause) {
        const auto generation{m_session.load_profile(image_of(point.orders, point.sets))};
        if (!generation) return Failure{generation.error()};
        const auto until{Clock::now() + m_options.wait};
        auto first{status()};
        while (first && first.value().generation < generation.value()) {
            if (auto waited{wait(shortest_pause, until)}; !waited) return Failure{waited.error()};
            first = status();
        }
        if (!first) return Failure{first.error()};
        for (;;) {
            if (auto waited{wait(pause, until)}; !waited) return Failure{waited.error()};
            const auto last{status()};
            if (!last) return Failure{last.error()};
            const std::uint64_t trips{last.value().round_trips - first.value().round_trips};
            pause = adapted(pause, trips);
            if (trips < m_options.round_trips) continue;
            return static_cast<double>(last.value().round_trip_ticks - first.value().round_trip_ticks) /
                   static_cast<double>(trips);
        }
    }

    [[nodiscard]] Result<void, LinkError> wait(std::chrono::milliseconds pause, Clock::time_point until) {
        if (Clock::now() >= until) return not_the_calibrations_l1();
        const auto listened{m_session.listen(pause)};
        if (!listened) return Failure{listened.error()};
        if (listened.value()) return {};
        return Failure{LinkError{LinkErrorKind::stopped, "calibration: interrupted"}};
    }

    // A look takes ticks of its own: two are enough, and no more round trips between them than have to be.
    [[nodiscard]] std::chrono::milliseconds adapted(std::chrono::milliseconds pause,
                                                    std::uint64_t trips) const {
        const double factor{1.1 * static_cast<double>(m_options.round_trips) /
                            static_cast<double>(std::max<std::uint64_t>(trips, 1))};
        const auto next{
            std::chrono::duration_cast<std::chrono::milliseconds>(pause * std::clamp(factor, 0.25, 4.0))};
        return std::clamp(next, shortest_pause, longest_pause);
    }

    link::Session& m_session;
    const CalibratorOptions& m_options;
};

} // namespace

Result<db::Calibration, link::LinkError> calibrate(link::Session& session, const CalibratorOptions& options) {
    return Calibrator{session, options}.run();
}

Result<void, link::LinkError> end_calibration(link::Session& session) {
    const auto loaded{session.load_profile(image_of(calibration_quit, {}))};
    if (!loaded) return Failure{loaded.error()};
    return {};
}

} // namespace shadowtune::profiler
