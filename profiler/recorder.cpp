#include "profiler/recorder.hpp"

#include "db/snapshot_totals.hpp"
#include "profiler/convert.hpp"

#include <algorithm>
#include <numeric>

namespace shadowtune::profiler {

namespace {

// How long the stop flag may wait while the recorder sleeps between two snapshots.
constexpr std::chrono::milliseconds longest_sleep{100};
// Snapshots that come faster are stored together, for what each costs the disk.
constexpr std::chrono::milliseconds longest_gathering{100};
// A VMM that boots anew between greeting and snapshot more often than this is not worth a recording.
constexpr int most_boots_in_a_row{3};

[[nodiscard]] Failure<RecorderError> fail(const link::LinkError& error) {
    return Failure{RecorderError{RecorderError::Room::link, error.kind, {}, error.message}};
}

[[nodiscard]] Failure<RecorderError> fail(const db::Error& error) {
    return Failure{RecorderError{RecorderError::Room::database, {}, error.kind, error.message}};
}

[[nodiscard]] std::int64_t now_ms() {
    return milliseconds_since_1970(std::chrono::system_clock::now());
}

// Then the recording ends well all the same: the VMM went away, which every VMM does at some time.
[[nodiscard]] bool is_loss(const RecorderError& error) {
    if (error.room != RecorderError::Room::link) return false;
    return error.link_kind == link::LinkErrorKind::no_connection ||
           error.link_kind == link::LinkErrorKind::timed_out ||
           error.link_kind == link::LinkErrorKind::stopped;
}

} // namespace

Result<RecorderSummary, RecorderError> Recorder::run() {
    const Time start{std::chrono::steady_clock::now()};
    const auto over{[&] {
        return m_options.duration && std::chrono::steady_clock::now() - start >= *m_options.duration;
    }};
    const auto end_with{[&](RecordingEnd end) -> Result<RecorderSummary, RecorderError> {
        m_summary.end = end;
        if (auto finished{finish()}; !finished) return Failure{finished.error()};
        return m_summary;
    }};

    Time next{start};
    for (;;) {
        // Looked at before the snapshot: the last one is taken after the end, so that nothing in front of it
        // is lost.
        const bool stop{stop_wanted()};
        const bool last{stop || over()};
        const auto polled{poll()};
        if (!polled) {
            if (!is_loss(polled.error()) || m_summary.snapshots == 0) {
                // The recording stays good up to its last snapshot; that it is not marked as finished is
                // right.
                return Failure{polled.error()};
            }
            m_summary.trouble = polled.error().message;
            return end_with(RecordingEnd::link_lost);
        }
        if (last) return end_with(stop ? RecordingEnd::stopped : RecordingEnd::duration);
        if (polled.value()) return end_with(RecordingEnd::l1_stopped);
        // From start to start, without running after what a slow line has cost.
        next = std::max(next + m_options.interval, std::chrono::steady_clock::now());
        if (m_options.duration) next = std::min(next, start + *m_options.duration);
        if (auto waited{wait_until(next)}; !waited) return Failure{waited.error()};
    }
}

Result<bool, RecorderError> Recorder::poll() {
    m_last = {};
    // The state first: where L1 is stopped already, the snapshot after it is the final one.
    const auto status{m_session.status()};
    if (!status) return fail(status.error());
    const auto snapshot{m_session.snapshot()};
    if (!snapshot) return fail(snapshot.error());
    if (!m_writer || snapshot.value().boot_id != m_boot_id) {
        if (auto begun{begin(snapshot.value().boot_id)}; !begun) return Failure{begun.error()};
        // The machine went through another boot meanwhile: this snapshot belongs to neither recording.
        if (snapshot.value().boot_id != m_boot_id) return false;
    }
    if (auto stored{store_generations(snapshot.value(), status.value())}; !stored)
        return Failure{stored.error()};
    db::Snapshot record{snapshot_of(snapshot.value(), m_session.statistics())};
    if (auto added{m_writer->add_snapshot(record)}; !added) return fail(added.error());
    ++m_summary.snapshots;
    if (auto stored{store_fingerprint()}; !stored) return Failure{stored.error()};
    report(record);
    m_last = std::move(record);
    return std::all_of(status.value().begin(), status.value().end(),
                       [](const auto& vcpu) { return vcpu.l1_state == link::L1State::stopped; });
}

Result<void, RecorderError> Recorder::finish() {
    if (!m_writer) return {};
    const auto finished{m_writer->finish(now_ms())};
    m_writer.reset();
    if (!finished) return fail(finished.error());
    return {};
}

Result<void, RecorderError> Recorder::begin(std::uint64_t boot_id) {
    if (auto finished{finish()}; !finished) return finished;
    std::optional<link::HelloInfo> machine;
    for (int i{0}; i < most_boots_in_a_row; ++i) {
        auto hello{m_session.hello()};
        if (!hello) return fail(hello.error());
        machine = std::move(hello).value();
        if (machine->boot_id == boot_id) break;
    }
    // Generations count from zero in another boot: what was noted before means nothing now.
    if (m_boot_id != 0 && m_boot_id != machine->boot_id) m_noted.clear();
    m_boot_id = machine->boot_id;
    auto writer{db::RecordingWriter::begin(m_database, machine_of(*machine),
                                           labels_of(*machine, m_options.labels), now_ms())};
    if (!writer) return fail(writer.error());
    m_writer.emplace(std::move(writer).value());
    if (m_options.interval < longest_gathering) m_writer->gather_for(longest_gathering);
    m_has_fingerprint = false;
    m_summary.recordings.push_back(m_writer->id());
    if (m_options.on_begin) m_options.on_begin();
    return {};
}

Result<void, RecorderError> Recorder::store_generations(const link::Snapshot& snapshot,
                                                        const std::vector<link::VcpuStatus>& status) {
    for (const link::VcpuSnapshot& vcpu : snapshot.vcpus) {
        const std::uint32_t number{vcpu.head.generation};
        auto noted{m_noted.find(number)};
        if (noted == m_noted.end()) {
            // Loaded by somebody else, or before we came: the name is all that L0 tells, and only of the
            // newest.
            db::Generation found{
                number, static_cast<db::Mode>(vcpu.head.mode), vcpu.head.sample_interval, {}, {}};
            for (const link::VcpuStatus& state : status) {
                if (state.vcpu == vcpu.head.vcpu && state.generation == number)
                    found.profile_name = state.profile_name;
            }
            noted = m_noted.emplace(number, std::move(found)).first;
        }
        if (auto stored{m_writer->generation(noted->second, now_ms())}; !stored) return fail(stored.error());
    }
    return {};
}

// Asked for until L1 has run an L2. It belongs to the boot that the recording is of: another one begins
// another recording, and has its own.
Result<void, RecorderError> Recorder::store_fingerprint() {
    if (m_has_fingerprint) return {};
    const auto asked{m_session.fingerprint()};
    if (!asked) return fail(asked.error());
    const link::FingerprintInfo& info{asked.value()};
    if (info.state == link::RecognitionState::awaited || info.boot_id != m_boot_id) return {};
    const bool hidden{info.state == link::RecognitionState::hidden};
    if (auto stored{m_writer->fingerprint({hidden, info.fingerprint})}; !stored) return fail(stored.error());
    m_has_fingerprint = true;
    return {};
}

Result<void, RecorderError> Recorder::wait_until(Time time) {
    for (auto now{std::chrono::steady_clock::now()}; now < time && !stop_wanted();
         now = std::chrono::steady_clock::now()) {
        const auto left{std::chrono::ceil<std::chrono::milliseconds>(time - now)};
        const auto listened{m_session.listen(std::min(left, longest_sleep))};
        if (!listened) return fail(listened.error());
        if (!listened.value()) return {}; // the session is stopped: the next poll says so
    }
    return {};
}

void Recorder::report(const db::Snapshot& snapshot) const {
    if (!m_options.on_progress) return;
    RecorderProgress progress;
    progress.recording = m_writer->id();
    progress.snapshots = m_writer->snapshots();
    progress.generation = snapshot.vcpus.front().generation;
    progress.mode = snapshot.vcpus.front().mode;
    progress.sample_interval = snapshot.vcpus.front().sample_interval;
    progress.round_trips = db::round_trips_of(snapshot);
    for (const db::VcpuSnapshot& vcpu : snapshot.vcpus) {
        for (const db::AccessCount& access : vcpu.accesses)
            progress.accesses += access.count;
        for (const db::SampledCount& access : vcpu.sampled)
            progress.accesses += access.count;
        progress.sampled_round_trips =
            std::accumulate(vcpu.sampled_round_trips_by_reason.begin(),
                            vcpu.sampled_round_trips_by_reason.end(), progress.sampled_round_trips);
    }
    m_options.on_progress(progress);
}

} // namespace shadowtune::profiler
