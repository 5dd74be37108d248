#include "cli/lab_recorder.hpp"

#include "profiler/recorder.hpp"

#include <chrono>

namespace shadowtune::cli {

Result<void, CliError> LabRecorder::open(const std::string& path) {
    auto database{db::Database::open(path, db::OpenMode::append)};
    if (!database) return Failure{CliError{ExitCode::bad_input, database.error().message}};
    m_database.emplace(std::move(database).value());
    return {};
}

void LabRecorder::start(const std::filesystem::path& socket) {
    m_thread = std::thread{[this, socket] {
        record(socket);
        m_done = true;
    }};
}

bool LabRecorder::is_complete() {
    m_stop = true;
    return m_done;
}

void LabRecorder::record(const std::filesystem::path& socket) {
    link::SessionOptions session_options{};
    // A slow boot is no dead link: the end of the machine, not the clock, ends the wait for its VMM.
    session_options.deadline = std::chrono::hours{7 * 24};
    session_options.stop = &m_abandon;
    auto session{link::Session::open(socket.string(), session_options)};
    if (!session) {
        m_trouble = CliError{ExitCode::unreachable, session.error().message};
        return;
    }
    profiler::RecorderOptions options{};
    options.labels.workload = "lab run";
    options.labels.cpu_model = m_cpu_model;
    options.labels.tool_version = SHADOWTUNE_VERSION;
    options.stop = &m_stop;
    profiler::Recorder recorder{*session.value(), *m_database, std::move(options)};
    // The link ends with the machine: that is a recording's normal end here.
    if (const auto summary{recorder.run()}; !summary) {
        m_trouble = CliError{ExitCode::unreachable, summary.error().message};
    }
}

Result<void, CliError> LabRecorder::finish() {
    m_stop = true;
    m_abandon = true;
    if (m_thread.joinable()) m_thread.join();
    if (m_trouble) return Failure{*m_trouble};
    return {};
}

} // namespace shadowtune::cli
