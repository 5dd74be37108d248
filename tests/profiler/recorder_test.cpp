// Recording from a VMM's end of the link into a file, and reading it back.

#include "db/recording_reader.hpp"
#include "profiler/recorder.hpp"
#include "tests/link/host/fake_vmm.hpp"
#include "tests/vmcs/random_fingerprint.hpp"

#include <filesystem>
#include <gtest/gtest.h>
#include <thread>

namespace shadowtune::profiler::test {
namespace {

using namespace std::chrono_literals;
using link::test::FakeOptions;
using link::test::FakeVmm;

class RecorderTest : public testing::Test {
protected:
    RecorderTest() {
        char name[]{"/tmp/shadowtune-recorder-XXXXXX"};
        m_folder = ::mkdtemp(name);
        link_path = m_folder + "/link";
        options.interval = 5ms;
        options.labels.workload = "counting";
        session_options.silence = 20ms;
        session_options.deadline = 10s;
    }
    ~RecorderTest() override { std::filesystem::remove_all(m_folder); }

    void connect() {
        auto opened{link::Session::open(link_path, session_options)};
        ASSERT_TRUE(opened.ok());
        session = std::move(opened).value();
        auto file{db::Database::open(m_folder + "/recording.db", db::OpenMode::append)};
        ASSERT_TRUE(file.ok()) << file.error().message;
        database.emplace(std::move(file).value());
    }

    [[nodiscard]] std::vector<db::RecordingInfo> list() {
        auto listed{db::RecordingReader::list(*database)};
        EXPECT_TRUE(listed.ok());
        return std::move(listed).value();
    }

    std::string link_path;
    link::SessionOptions session_options;
    std::unique_ptr<link::Session> session;
    std::optional<db::Database> database;
    RecorderOptions options;

private:
    std::string m_folder;
};

// Between two snapshots n grows by `steps`: every counter must have grown by that times its factor.
void expect_counts(db::Database& database, std::int64_t id) {
    auto reader{db::RecordingReader::open(database, id)};
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    const auto range{reader.value().whole()};
    ASSERT_TRUE(range.ok()) << range.error().message;
    const auto totals{reader.value().totals(range.value())};
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    const std::uint64_t steps{totals.value().counters.round_trips};
    EXPECT_GE(steps, range.value().to - range.value().from);
    std::uint64_t expected{0};
    for (std::size_t i{0}; i < link::test::fake_counters; ++i)
        expected += steps * link::test::factor(i);
    EXPECT_EQ(totals.value().reads + totals.value().writes, expected);
    EXPECT_EQ(totals.value().round_trips_by_reason[10], steps);
}

TEST_F(RecorderTest, RecordsForATime) {
    session_options.silence = 5s; // nothing is lost here: a busy machine must not look like a lossy line
    FakeVmm vmm{{}};
    vmm.listen_unix(link_path);
    connect();
    options.duration = 200ms;
    std::uint32_t reported{0};
    options.on_progress = [&](const RecorderProgress& progress) {
        ++reported;
        EXPECT_EQ(progress.snapshots, reported);
        EXPECT_EQ(progress.round_trips, 1000U + reported);
    };
    Recorder recorder{*session, *database, options};
    const auto summary{recorder.run()};
    ASSERT_TRUE(summary.ok()) << summary.error().message;
    EXPECT_EQ(summary.value().end, RecordingEnd::duration);
    EXPECT_GE(summary.value().snapshots, 3U);
    EXPECT_EQ(summary.value().snapshots, reported);
    const auto recordings{list()};
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0].snapshots, reported);
    EXPECT_TRUE(recordings[0].ended_ms.has_value());
    EXPECT_EQ(recordings[0].labels.workload, "counting");
    EXPECT_EQ(recordings[0].labels.l1_kind, "linux");
    expect_counts(*database, recordings[0].id);
    auto reader{db::RecordingReader::open(*database)};
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(reader.value().machine().boot_id, 0xB001U);
    EXPECT_EQ(reader.value().machine().cpu_brand, "Fake CPU");
    EXPECT_EQ(reader.value().machine().offered_fields.count(), vmcs::field_count);
}

TEST_F(RecorderTest, StoresTheFingerprintOnceThereIsOne) {
    std::mt19937_64 random{5};
    FakeOptions fake{};
    fake.fingerprint = vmcs::testing::random_fingerprint(random);
    FakeVmm vmm{fake};
    vmm.listen_unix(link_path);
    connect();
    Recorder recorder{*session, *database, options};
    const auto stored{[&] { return db::RecordingReader::open(*database).value().fingerprint().value(); }};
    for (int i{0}; i < 2; ++i) {
        ASSERT_TRUE(recorder.poll().ok());
        EXPECT_FALSE(stored().has_value()) << "L1 has run no L2 yet";
    }
    for (int i{0}; i < 2; ++i) {
        ASSERT_TRUE(recorder.poll().ok());
        ASSERT_TRUE(stored().has_value());
        EXPECT_FALSE(stored()->hidden);
        EXPECT_EQ(stored()->seen, *fake.fingerprint);
    }
}

TEST_F(RecorderTest, StopTakesALastSnapshot) {
    FakeVmm vmm{{}};
    vmm.listen_unix(link_path);
    connect();
    std::atomic<bool> stop{false};
    options.stop = &stop;
    options.interval = 10s;
    std::thread later;
    options.on_progress = [&](const RecorderProgress& progress) {
        if (progress.snapshots != 1) return;
        later = std::thread{[&] {
            std::this_thread::sleep_for(50ms);
            stop = true;
        }};
    };
    Recorder recorder{*session, *database, options};
    const auto begun{std::chrono::steady_clock::now()};
    const auto summary{recorder.run()};
    later.join();
    ASSERT_TRUE(summary.ok()) << summary.error().message;
    EXPECT_EQ(summary.value().end, RecordingEnd::stopped);
    EXPECT_EQ(summary.value().snapshots, 2U);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
    expect_counts(*database, summary.value().recordings.at(0));
}

// The first snapshot is stored, the fingerprint still asked for: from on_begin() on a caller lets a signal
// end the recording, and no longer the session.
TEST_F(RecorderTest, StopWithinTheFirstPollTakesALastSnapshot) {
    FakeVmm vmm{{}};
    vmm.listen_unix(link_path);
    std::atomic<bool> stop{false}, stop_session{false};
    session_options.stop = &stop_session;
    connect();
    std::atomic<bool> has_begun{false};
    options.stop = &stop;
    options.interval = 10s;
    options.on_begin = [&] { has_begun = true; };
    options.on_progress = [&](const RecorderProgress&) { EXPECT_TRUE(has_begun); };
    std::thread signal{[&] {
        auto other{db::Database::open(database->path(), db::OpenMode::read)};
        for (bool is_stored{false}; !is_stored; std::this_thread::yield()) {
            const auto listed{db::RecordingReader::list(other.value())};
            is_stored = listed.ok() && !listed.value().empty() && listed.value().front().snapshots > 0;
        }
        (has_begun ? stop : stop_session) = true;
    }};
    Recorder recorder{*session, *database, options};
    const auto summary{recorder.run()};
    signal.join();
    ASSERT_TRUE(summary.ok()) << summary.error().message;
    EXPECT_EQ(summary.value().end, RecordingEnd::stopped);
    EXPECT_EQ(summary.value().snapshots, 2U);
}

TEST_F(RecorderTest, FaultsOnTheLineCostNoCounts) {
    FakeOptions fake;
    fake.fault_one_in = 10;
    fake.vcpus = 2;
    FakeVmm vmm{fake};
    vmm.listen_unix(link_path);
    connect();
    options.duration = 600ms;
    Recorder recorder{*session, *database, options};
    const auto summary{recorder.run()};
    ASSERT_TRUE(summary.ok()) << summary.error().message;
    EXPECT_GE(summary.value().snapshots, 2U);
    auto reader{db::RecordingReader::open(*database)};
    ASSERT_TRUE(reader.ok());
    const auto range{reader.value().whole()};
    ASSERT_TRUE(range.ok());
    const auto totals{reader.value().totals(range.value())};
    ASSERT_TRUE(totals.ok());
    EXPECT_GT(totals.value().link.frames_dropped + totals.value().link.frames_missed, 0U) << "drops are kept";
    expect_counts(*database, 0);
}

TEST_F(RecorderTest, ARebootBeginsANewRecording) {
    FakeVmm vmm{{}};
    vmm.listen_unix(link_path);
    connect();
    Recorder recorder{*session, *database, options};
    for (int i{0}; i < 3; ++i)
        ASSERT_TRUE(recorder.poll().ok());
    vmm.reboot(0xB002, true);
    for (int i{0}; i < 3; ++i) {
        const auto polled{recorder.poll()};
        ASSERT_TRUE(polled.ok()) << polled.error().message;
    }
    ASSERT_TRUE(recorder.finish().ok());
    const auto recordings{list()};
    ASSERT_EQ(recordings.size(), 2U);
    for (const auto& recording : recordings) {
        EXPECT_EQ(recording.snapshots, 3U);
        EXPECT_TRUE(recording.ended_ms.has_value());
        expect_counts(*database, recording.id);
    }
    EXPECT_EQ(recorder.summary().recordings.size(), 2U);
}

TEST_F(RecorderTest, KeepsModeAndGenerations) {
    FakeVmm vmm{{}};
    vmm.listen_unix(link_path);
    connect();
    Recorder recorder{*session, *database, options};
    ASSERT_TRUE(recorder.poll().ok());
    db::Generation sent{1, db::Mode::trap, 0, "mine", {}};
    sent.sets.read.set(vmcs::Field::guest_rip);
    ASSERT_EQ(session->load_profile({}).value(), 1U);
    recorder.note(sent);
    ASSERT_TRUE(recorder.poll().ok());
    ASSERT_EQ(session->set_mode(link::Mode::tuned).value(), 2U);
    ASSERT_TRUE(recorder.poll().ok());
    ASSERT_TRUE(recorder.finish().ok());
    auto reader{db::RecordingReader::open(*database)};
    ASSERT_TRUE(reader.ok());
    const auto generations{reader.value().generations()};
    ASSERT_TRUE(generations.ok());
    ASSERT_EQ(generations.value().size(), 3U);
    EXPECT_EQ(generations.value()[0].number, 0U);
    EXPECT_EQ(generations.value()[1].profile_name, "mine");
    EXPECT_EQ(generations.value()[1].sets, sent.sets);
    EXPECT_EQ(generations.value()[2].mode, db::Mode::tuned);
    EXPECT_EQ(generations.value()[2].profile_name, "fake") << "as L0 names it";
    const auto totals{reader.value().totals(reader.value().whole().value())};
    ASSERT_TRUE(totals.ok());
    EXPECT_FALSE(totals.value().all_trap);
    EXPECT_EQ(totals.value().generation, 2U);
}

TEST_F(RecorderTest, EndsWhenL1IsStopped) {
    FakeVmm vmm{{}};
    vmm.listen_unix(link_path);
    connect();
    options.on_progress = [&](const RecorderProgress& progress) {
        if (progress.snapshots == 3) vmm.stop_l1();
    };
    Recorder recorder{*session, *database, options};
    const auto summary{recorder.run()};
    ASSERT_TRUE(summary.ok()) << summary.error().message;
    EXPECT_EQ(summary.value().end, RecordingEnd::l1_stopped);
    EXPECT_EQ(summary.value().snapshots, 4U);
}

TEST_F(RecorderTest, AVmmThatGoesAwayLeavesAGoodRecording) {
    auto vmm{std::make_unique<FakeVmm>(FakeOptions{})};
    vmm->listen_unix(link_path);
    session_options.deadline = 200ms;
    connect();
    options.on_progress = [&](const RecorderProgress& progress) {
        if (progress.snapshots == 3) vmm.reset();
    };
    Recorder recorder{*session, *database, options};
    const auto summary{recorder.run()};
    ASSERT_TRUE(summary.ok()) << summary.error().message;
    EXPECT_EQ(summary.value().end, RecordingEnd::link_lost);
    EXPECT_FALSE(summary.value().trouble.empty());
    EXPECT_EQ(summary.value().snapshots, 3U);
    EXPECT_TRUE(list().at(0).ended_ms.has_value());
    expect_counts(*database, 0);
}

TEST_F(RecorderTest, NobodyThereIsAnErrorAndLeavesNoRecording) {
    session_options.deadline = 50ms;
    connect();
    Recorder recorder{*session, *database, options};
    const auto summary{recorder.run()};
    ASSERT_FALSE(summary.ok());
    EXPECT_EQ(summary.error().link_kind, link::LinkErrorKind::no_connection);
    EXPECT_TRUE(list().empty());
}

} // namespace
} // namespace shadowtune::profiler::test
