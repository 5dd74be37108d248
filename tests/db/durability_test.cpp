// kill -9 at any moment: the file is whole, and only the snapshot that was being written may be missing.

#include "db/recording_reader.hpp"
#include "tests/db/sample_recording.hpp"

#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shadowtune {
namespace {

// Writes snapshots as fast as it can and tells the number of each on the pipe once it is stored.
[[noreturn]] void write_until_killed(const std::filesystem::path& path, int pipe_end) {
    auto database{db::Database::open(path, db::OpenMode::append)};
    if (!database) _exit(1);
    auto writer{
        db::RecordingWriter::begin(database.value(), test::sample_machine(), test::sample_labels(), 0)};
    if (!writer) _exit(2);
    for (std::uint32_t rounds{1};; ++rounds) {
        if (!writer.value().add_snapshot(test::sample_snapshot(rounds))) _exit(3);
        if (write(pipe_end, &rounds, sizeof(rounds)) != sizeof(rounds)) _exit(4);
    }
}

TEST(Durability, KilledRecorderLosesAtMostItsLastSnapshot) {
    const test::TemporaryFolder folder{};
    const auto path{folder / "killed.db"};
    constexpr int kills{8};
    for (int kill_number{0}; kill_number < kills; ++kill_number) {
        int ends[2]{};
        ASSERT_EQ(pipe(ends), 0);
        const pid_t child{fork()};
        ASSERT_GE(child, 0);
        if (child == 0) {
            close(ends[0]);
            write_until_killed(path, ends[1]);
        }
        close(ends[1]);
        std::uint32_t told{0};
        // Another number of snapshots and another point in time within one, each time.
        for (int i{0}; i < 5 + kill_number * 7; ++i) {
            ASSERT_EQ(read(ends[0], &told, sizeof(told)), static_cast<ssize_t>(sizeof(told)));
        }
        usleep(static_cast<useconds_t>(kill_number * 173));
        ASSERT_EQ(kill(child, SIGKILL), 0);
        std::uint32_t next{0};
        while (read(ends[0], &next, sizeof(next)) == static_cast<ssize_t>(sizeof(next)))
            told = next;
        close(ends[0]);
        int status{0};
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));

        auto database{db::Database::open(path, db::OpenMode::read)};
        ASSERT_TRUE(database.ok()) << database.error().message;
        auto check{database.value().connection().prepare("PRAGMA integrity_check")};
        ASSERT_TRUE(check.ok());
        ASSERT_TRUE(check.value().step().value());
        EXPECT_EQ(check.value().text(0), "ok");

        const auto reader{db::RecordingReader::open(database.value())};
        ASSERT_TRUE(reader.ok());
        EXPECT_FALSE(reader.value().info().ended_ms.has_value());
        // Stored may be one more than told: killed between commit and telling.
        const std::uint32_t stored{reader.value().info().snapshots};
        EXPECT_GE(stored, told);
        EXPECT_LE(stored, told + 1);
        // Every snapshot is whole: its counts are those that its number implies.
        for (std::uint32_t last{1}; last <= stored; ++last) {
            const auto totals{reader.value().totals({0, last})};
            ASSERT_TRUE(totals.ok());
            EXPECT_EQ(totals.value().counters.round_trips, last * 10U);
            EXPECT_EQ(totals.value().round_trips_by_reason[10], last * 4U);
            EXPECT_EQ(totals.value().reads + totals.value().writes, last * 54U + 30U);
        }
    }
    auto database{db::Database::open(path, db::OpenMode::read)};
    EXPECT_EQ(db::RecordingReader::list(database.value()).value().size(), static_cast<std::size_t>(kills));
}

} // namespace
} // namespace shadowtune
