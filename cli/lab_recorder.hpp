#pragma once

// Records beside a running lab: what `lab run --record` does while the machine runs in the foreground.

#include "cli/console.hpp"
#include "db/database.hpp"

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

namespace shadowtune::cli {

class LabRecorder {
public:
    explicit LabRecorder(std::string cpu_model) : m_cpu_model{std::move(cpu_model)} {}
    LabRecorder(const LabRecorder&) = delete;
    LabRecorder& operator=(const LabRecorder&) = delete;
    ~LabRecorder() { (void)finish(); }

    // Opens the file; before the machine starts, so that a bad one costs nothing.
    [[nodiscard]] Result<void, CliError> open(const std::string& path);

    // Begins once the link is there; does not block. The lab serves one client at a time: who connects to the
    // link meanwhile takes it over from the recorder.
    void start(const std::filesystem::path& socket);

    // The first call asks for the last snapshot; true when it has been taken, or never will be.
    [[nodiscard]] bool is_complete();

    // The machine has ended: waits for the last snapshot and says what went wrong, if anything did.
    [[nodiscard]] Result<void, CliError> finish();

private:
    void record(const std::filesystem::path& socket);

    std::string m_cpu_model;
    std::optional<db::Database> m_database;
    std::thread m_thread;
    std::atomic<bool> m_stop{false};    // take the last snapshot
    std::atomic<bool> m_abandon{false}; // not even that: the machine is gone
    std::atomic<bool> m_done{false};
    std::optional<CliError> m_trouble;
};

} // namespace shadowtune::cli
