#pragma once

// A small recording with known counts, shared by the tests of the store, the tuner and the command line.

#include "db/recording_writer.hpp"

#include <filesystem>
#include <string>

namespace shadowtune::test {

// A folder that is gone after the test.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return m_path / name; }
    [[nodiscard]] const std::filesystem::path& path() const { return m_path; }

private:
    std::filesystem::path m_path;
};

[[nodiscard]] db::Machine sample_machine();
[[nodiscard]] db::Labels sample_labels();

// Cumulative counters after `rounds` times ten round trips: 4 CPUID, 6 I/O. Before the first one, the guest
// was created: 30 accesses outside round trips. Tuned: only what `tuned_profile()` leaves trapped is counted.
// Sample: that, but in every tenth round all.
[[nodiscard]] db::Snapshot sample_snapshot(std::uint64_t rounds, db::Mode mode = db::Mode::trap);
[[nodiscard]] vmcs::ShadowSets tuned_profile();

// Snapshots at 10, 20 and 110 rounds: 1,000 round trips between the first and the last. Aborts where writing
// fails.
void write_sample(const std::filesystem::path& path, db::Mode mode = db::Mode::trap);
// The same of a machine with two vCPUs; the second one makes half as many rounds.
void write_sample_of_two(const std::filesystem::path& path);

} // namespace shadowtune::test
