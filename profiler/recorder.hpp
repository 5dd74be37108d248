#pragma once

// Records a running VMM into a database: one snapshot each interval, each in a transaction of its own (below
// 100 ms: those of 100 ms in one), until told to end. A VMM that boots anew begins a new recording in the
// same file.

#include "db/recording_writer.hpp"
#include "link/host/session.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shadowtune::profiler {

// What a snapshot just stored says, for a progress line.
struct RecorderProgress {
    std::int64_t recording{0};
    std::uint32_t snapshots{0};   // in this recording
    std::uint64_t round_trips{0}; // since power-on, all vCPUs
    std::uint64_t accesses{0};    // trapped, since power-on, all vCPUs
    std::uint32_t generation{0};  // of vCPU 0
    db::Mode mode{db::Mode::trap};
    std::uint16_t sample_interval{0};     // where mode is sample
    std::uint64_t sampled_round_trips{0}; // since power-on, all vCPUs
};

struct RecorderOptions {
    // workload, cpu_model and tool_version; what L0 knows of L1 is filled in.
    db::Labels labels;
    std::chrono::milliseconds interval{1'000};           // between two snapshots, from start to start
    std::optional<std::chrono::milliseconds> duration{}; // none: until stop
    // Set: one last snapshot is taken, and the recording is finished. Another flag than the session's own,
    // which ends even the last snapshot.
    const std::atomic<bool>* stop{nullptr};
    // A recording has begun: from now on there is something to lose.
    std::function<void()> on_begin{};
    std::function<void(const RecorderProgress&)> on_progress{};
};

enum class RecordingEnd : std::uint8_t {
    stopped,    // the stop flag
    duration,   // the time is over
    l1_stopped, // L0 stopped L1, which will count nothing more
    link_lost,  // the VMM is gone or the session was stopped; what came before is stored and good
};

struct RecorderSummary {
    std::vector<std::int64_t> recordings; // ids, in order; more than one where the VMM was booted anew
    std::uint32_t snapshots{0};           // in all of them
    RecordingEnd end{RecordingEnd::stopped};
    std::string trouble; // where link_lost: the link's own words
};

struct RecorderError {
    enum class Room : std::uint8_t { link, database } room{};
    link::LinkErrorKind link_kind{}; // where room is link
    db::ErrorKind db_kind{};         // where room is database
    std::string message;
};

class Recorder {
public:
    // Both must outlive the recorder.
    Recorder(link::Session& session, db::Database& database, RecorderOptions options)
        : m_session{session}, m_database{database}, m_options{std::move(options)} {}

    // Polls until the end. Error: the database failed, or nothing at all could be recorded.
    [[nodiscard]] Result<RecorderSummary, RecorderError> run();

    // The pieces of run(), for callers that do other things between two snapshots. poll() takes and stores
    // one snapshot, and begins a recording where there is none; true where L1 is stopped.
    [[nodiscard]] Result<bool, RecorderError> poll();
    [[nodiscard]] Result<void, RecorderError> finish();
    // Listens meanwhile; returns early where the stop flag is set.
    using Time = std::chrono::steady_clock::time_point;
    [[nodiscard]] Result<void, RecorderError> wait_until(Time time);

    // The bitmaps that this generation is made of, as the caller has sent them: L0 tells only the profile's
    // name. To be called before the first poll() that meets it.
    void note(const db::Generation& generation) { m_noted[generation.number] = generation; }

    [[nodiscard]] const RecorderSummary& summary() const { return m_summary; }
    // What the last successful poll() stored; without vCPUs where there was none, or it stored nothing.
    [[nodiscard]] const db::Snapshot& last() const { return m_last; }

private:
    [[nodiscard]] Result<void, RecorderError> begin(std::uint64_t boot_id);
    [[nodiscard]] Result<void, RecorderError> store_generations(const link::Snapshot& snapshot,
                                                                const std::vector<link::VcpuStatus>& status);
    [[nodiscard]] Result<void, RecorderError> store_fingerprint();
    [[nodiscard]] bool stop_wanted() const { return m_options.stop != nullptr && m_options.stop->load(); }
    void report(const db::Snapshot& snapshot) const;

    link::Session& m_session;
    db::Database& m_database;
    RecorderOptions m_options;
    std::optional<db::RecordingWriter> m_writer;
    bool m_has_fingerprint{false}; // the recording that is being written
    std::uint64_t m_boot_id{0};
    std::map<std::uint32_t, db::Generation> m_noted;
    RecorderSummary m_summary;
    db::Snapshot m_last;
};

} // namespace shadowtune::profiler
