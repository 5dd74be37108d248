// What the host's tools take: the recorder for a snapshot, step by step and altogether, the tuner and the
// report for a recording. google-benchmark's options apply; "CPU" is this process' own time, the kernel's
// included.

#include "db/recording_reader.hpp"
#include "db/recording_writer.hpp"
#include "link/host/snapshot_assembler.hpp"
#include "link/host/snapshot_guard.hpp"
#include "profiler/convert.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace {

using namespace shadowtune;

// Of one vCPU whose L1 is Linux with KVM in a steady workload: counters that are not 0, and those that move
// from one snapshot to the next in mode trap, and with a profile in force.
constexpr std::size_t counters{300}, moving_trapped{60}, moving_tuned{12};

template <typename Value, typename Error>
Value must(Result<Value, Error> result) {
    if (result) return std::move(result).value();
    std::abort();
}
template <typename Error>
void must(const Result<void, Error>& result) {
    if (!result) std::abort();
}

[[nodiscard]] link::CounterRecord record(std::size_t i, std::uint64_t count) {
    const std::size_t field{i / 8 % vmcs::field_count};
    return {vmcs::catalogue[field].encoding, static_cast<std::uint8_t>(i % 2),
            static_cast<std::uint8_t>(10 + i / 2 % 4 + i / (8 * vmcs::field_count) * 4), count};
}

// What the VMM sends: first all, then what moved since.
class Vmm {
public:
    explicit Vmm(std::size_t moving) : m_moving{moving} {}
    [[nodiscard]] const std::vector<std::uint8_t>& answer(std::uint32_t id) {
        m_bytes.clear();
        std::vector<link::CounterRecord> records{};
        ++m_number;
        for (std::size_t i{0}; i < (m_number == 1 ? counters : m_moving); ++i)
            records.push_back(record(m_number == 1 ? i : i * (counters / m_moving), m_number * 100));
        link::SnapshotHead head{};
        head.id = id;
        head.number = m_number;
        head.since = m_number - 1;
        head.parts = static_cast<std::uint16_t>((records.size() + link::records_per_part - 1) /
                                                link::records_per_part);
        head.tsc = head.round_trips = m_number * 1000;
        send(link::MessageType::snapshot_head, {reinterpret_cast<const std::uint8_t*>(&head), sizeof(head)});
        for (std::uint16_t part{0}; part < head.parts; ++part) {
            const std::size_t first{part * link::records_per_part};
            const std::size_t count{std::min(link::records_per_part, records.size() - first)};
            const link::SnapshotPart start{id, 0, part, static_cast<std::uint16_t>(count)};
            std::vector<std::uint8_t> payload(sizeof(start) + count * sizeof(link::CounterRecord));
            std::memcpy(payload.data(), &start, sizeof(start));
            std::memcpy(payload.data() + sizeof(start), &records[first], count * sizeof(link::CounterRecord));
            send(link::MessageType::snapshot_part, payload);
        }
        return m_bytes;
    }

private:
    void send(link::MessageType type, std::span<const std::uint8_t> payload) {
        std::uint8_t frame[link::max_encoded_frame];
        const std::size_t length{link::encode_frame(type, m_sequence++, payload, frame)};
        m_bytes.insert(m_bytes.end(), frame, frame + length);
    }

    std::size_t m_moving;
    std::uint32_t m_number{0};
    std::uint16_t m_sequence{0};
    std::vector<std::uint8_t> m_bytes{};
};

// The recorder's work for a snapshot, from the bytes of the line to the file, but for waiting.
class Ingest {
public:
    explicit Ingest(std::size_t moving) : m_vmm{moving} {
        std::filesystem::remove(m_path);
        m_database.emplace(must(db::Database::open(m_path, db::OpenMode::append)));
        db::Machine machine{};
        machine.boot_id = 1;
        machine.vcpus = 1;
        machine.catalogue_version = vmcs::catalogue_version;
        m_writer.emplace(
            must(db::RecordingWriter::begin(*m_database, machine, {"linux", "", "", "", ""}, 1)));
        m_writer->gather_for(std::chrono::milliseconds{100});
    }
    ~Ingest() {
        m_writer.reset();
        m_database.reset();
        for (const char* end : {"", "-wal", "-shm"})
            std::filesystem::remove(m_path + end);
    }
    Ingest(const Ingest&) = delete;
    Ingest& operator=(const Ingest&) = delete;

    void assemble() {
        link::SnapshotAssembler assembler{1, &m_known};
        assembler.expect(++m_id);
        link::SnapshotAssembler::Outcome outcome{};
        for (const std::uint8_t byte : m_vmm.answer(m_id)) {
            if (m_decoder.push(byte)) outcome = assembler.push(m_decoder.frame());
        }
        if (outcome != link::SnapshotAssembler::Outcome::whole) std::abort();
        m_known = assembler.take();
        m_known.boot_id = 1;
    }
    void check() { must(m_guard.accept(m_known)); }
    void convert() { m_record = profiler::snapshot_of(m_known, {}); }
    void store() { must(m_writer->add_snapshot(m_record)); }
    [[nodiscard]] db::Snapshot& snapshot() { return m_record; }

private:
    std::string m_path{std::filesystem::temp_directory_path() /
                       ("host-tools-" + std::to_string(getpid()) + ".db")};
    std::optional<db::Database> m_database{};
    std::optional<db::RecordingWriter> m_writer{};
    Vmm m_vmm;
    link::FrameDecoder m_decoder{};
    link::Snapshot m_known{};
    link::SnapshotGuard m_guard{};
    db::Snapshot m_record{};
    std::uint32_t m_id{0};
};

[[nodiscard]] std::size_t moving_of(const benchmark::State& state) {
    return static_cast<std::size_t>(state.range(0));
}

void bytes_to_snapshot(benchmark::State& state) {
    Ingest ingest{moving_of(state)};
    for (auto _ : state)
        ingest.assemble();
}
void check_snapshot(benchmark::State& state) {
    Ingest ingest{moving_of(state)};
    ingest.assemble();
    for (auto _ : state)
        ingest.check();
}
void convert_snapshot(benchmark::State& state) {
    Ingest ingest{moving_of(state)};
    ingest.assemble();
    for (auto _ : state)
        ingest.convert();
}
void store_snapshot(benchmark::State& state) {
    Ingest ingest{moving_of(state)};
    ingest.assemble();
    ingest.convert();
    auto& accesses{ingest.snapshot().vcpus[0].accesses};
    for (auto _ : state) {
        for (std::size_t i{0}; i < accesses.size(); i += counters / moving_of(state))
            ++accesses[i].count;
        ingest.store();
    }
}
// At 1,000 snapshots a second a microsecond here is 0.1 % of a core.
void ingest_snapshot(benchmark::State& state) {
    Ingest ingest{moving_of(state)};
    for (auto _ : state) {
        ingest.assemble();
        ingest.check();
        ingest.convert();
        ingest.store();
    }
}

BENCHMARK(bytes_to_snapshot)->Unit(benchmark::kMicrosecond)->Arg(moving_trapped)->Arg(moving_tuned);
BENCHMARK(check_snapshot)->Unit(benchmark::kMicrosecond)->Arg(moving_trapped)->Arg(moving_tuned);
BENCHMARK(convert_snapshot)->Unit(benchmark::kMicrosecond)->Arg(moving_trapped)->Arg(moving_tuned);
BENCHMARK(store_snapshot)->Unit(benchmark::kMicrosecond)->Arg(moving_trapped)->Arg(moving_tuned);
BENCHMARK(ingest_snapshot)->Unit(benchmark::kMicrosecond)->Arg(moving_trapped)->Arg(moving_tuned);

} // namespace

BENCHMARK_MAIN();
