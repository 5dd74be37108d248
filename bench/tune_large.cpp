// How long `shadowtune tune` takes on a recording of many rows, and how much memory.
// Usage: tune-large SHADOWTUNE DIRECTORY [ROWS]   (default: 10,000,000 rows)
// Makes DIRECTORY/large.db unless it is there, and tunes it three times.

#include "db/recording_writer.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace shadowtune;

constexpr std::uint32_t counters{1000}; // that move between two snapshots
constexpr std::uint64_t default_rows{10'000'000};

template <typename Value>
Value must(Result<Value, db::Error> result) {
    if (result) return std::move(result).value();
    std::fprintf(stderr, "tune-large: %s\n", result.error().message.c_str());
    std::exit(1);
}
void must(const Result<void, db::Error>& result) {
    if (result) return;
    std::fprintf(stderr, "tune-large: %s\n", result.error().message.c_str());
    std::exit(1);
}

[[nodiscard]] db::Machine machine() {
    db::Machine machine{};
    machine.boot_id = 1;
    machine.vcpus = 1;
    machine.catalogue_version = vmcs::catalogue_version;
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        machine.offered_fields.set(i);
        machine.physical_fields.set(i);
    }
    return machine;
}

// Every counter moves in every snapshot, by an amount of its own.
void generate(const std::string& path, std::uint64_t rows) {
    auto database{must(db::Database::open(path, db::OpenMode::append))};
    auto writer{must(db::RecordingWriter::begin(database, machine(), {"linux", "large", "", "", ""}, 1))};
    const std::uint64_t snapshots{rows / counters + 1};
    for (std::uint64_t s{1}; s <= snapshots; ++s) {
        db::Snapshot snapshot{};
        snapshot.at_ms = static_cast<std::int64_t>(s) * 1000;
        snapshot.vcpus.resize(1);
        db::VcpuSnapshot& vcpu{snapshot.vcpus[0]};
        vcpu.counters.round_trips = vcpu.round_trips_by_reason[10] = s * 1000;
        for (std::uint32_t c{0}; c < counters; ++c) {
            const auto field{static_cast<vmcs::FieldIndex>(c % vmcs::field_count)};
            const auto access{c % 2 == 0 ? db::Access::read : db::Access::write};
            const auto reason{static_cast<std::uint8_t>(c / vmcs::field_count * 2 + c % 2)};
            vcpu.accesses.push_back(
                {vmcs::catalogue[field].encoding, access, reason, s * (1 + c * c / 1000)});
        }
        must(writer.add_snapshot(snapshot));
    }
    must(writer.finish(static_cast<std::int64_t>(snapshots) * 1000));
}

// Runs `shadowtune tune` and prints its time and its largest resident set.
void measure(const std::string& shadowtune, const std::string& database, const std::string& profile) {
    const auto begin{std::chrono::steady_clock::now()};
    const pid_t child{fork()};
    if (child == 0) {
        const int nowhere{open("/dev/null", O_WRONLY | O_CLOEXEC)};
        dup2(nowhere, STDOUT_FILENO);
        execl(shadowtune.c_str(), "shadowtune", "tune", database.c_str(), "-o", profile.c_str(), nullptr);
        _exit(127);
    }
    int status{0};
    rusage usage{};
    wait4(child, &status, 0, &usage);
    const std::chrono::duration<double> time{std::chrono::steady_clock::now() - begin};
    std::printf("tune: exit code %d, %.2f s, %.1f MiB\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                time.count(), static_cast<double>(usage.ru_maxrss) / 1024);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3 || argc > 4) {
        std::fprintf(stderr, "tune-large: SHADOWTUNE DIRECTORY [ROWS]\n");
        return 2;
    }
    const std::string folder{argv[2]};
    const std::string database{folder + "/large.db"};
    const std::uint64_t rows{argc > 3 ? std::strtoull(argv[3], nullptr, 10) : default_rows};
    if (!std::filesystem::exists(database)) generate(database, rows);
    auto opened{must(db::Database::open(database, db::OpenMode::read))};
    std::printf(
        "%s: %lld rows in access_count, %ju MiB\n", database.c_str(),
        static_cast<long long>(must(opened.connection().integer("SELECT count(*) FROM access_count"))),
        static_cast<std::uintmax_t>(std::filesystem::file_size(database) >> 20));
    for (int i{0}; i < 3; ++i)
        measure(argv[1], database, folder + "/large.json");
    return 0;
}
