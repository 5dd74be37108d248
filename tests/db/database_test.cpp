// Opening: our files, and every kind of file that is not one.

#include "db/database.hpp"
#include "db/decisions.hpp"
#include "db/recording_reader.hpp"
#include "tests/db/sample_recording.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shadowtune {
namespace {

using db::Database;
using db::ErrorKind;
using db::OpenMode;
using test::TemporaryFolder;

[[nodiscard]] std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream{path, std::ios::binary} << bytes;
}

[[nodiscard]] db::Connection raw(const std::filesystem::path& path) {
    auto connection{db::Connection::open(path.string(), db::Connection::Access::create)};
    EXPECT_TRUE(connection.ok());
    return std::move(connection).value();
}

// Both modes refuse the file in one line that names it and the mend, and leave every byte as it was.
void expect_refused(const std::filesystem::path& path, ErrorKind kind, const std::string& mend) {
    const std::string before{bytes_of(path)};
    for (const OpenMode mode : {OpenMode::read, OpenMode::append}) {
        const auto database{Database::open(path, mode)};
        ASSERT_FALSE(database.ok());
        EXPECT_EQ(database.error().kind, kind) << database.error().message;
        EXPECT_NE(database.error().message.find(path.string()), std::string::npos);
        EXPECT_NE(database.error().message.find(mend), std::string::npos) << database.error().message;
        EXPECT_EQ(database.error().message.find('\n'), std::string::npos);
    }
    EXPECT_EQ(bytes_of(path), before);
}

TEST(Database, NewFileCarriesOurMarks) {
    const TemporaryFolder folder{};
    auto database{Database::open(folder / "new.db", OpenMode::append)};
    ASSERT_TRUE(database.ok()) << database.error().message;
    EXPECT_EQ(database.value().connection().integer("PRAGMA application_id").value(), db::application_id);
    EXPECT_EQ(database.value().connection().integer("PRAGMA user_version").value(), db::schema_version());
    EXPECT_EQ(database.value().connection().integer("SELECT count(*) FROM field").value(),
              static_cast<std::int64_t>(vmcs::field_count));
    EXPECT_EQ(database.value()
                  .connection()
                  .integer("SELECT encoding FROM field WHERE symbol = 'guest_rip'")
                  .value(),
              0x681E);
    EXPECT_EQ(
        database.value().connection().integer("SELECT number FROM exit_reason WHERE name = 'HLT'").value(),
        12);
}

TEST(Database, EveryViewCanBeRead) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "a.db");
    test::write_sample(folder / "a.db", db::Mode::sample);
    auto database{Database::open(folder / "a.db", OpenMode::append)};
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(
        db::add_decision(database.value(), 1, {0, 1, 0, 0, "start", 1, 0, 0, "cycles", "a machine", {}})
            .ok());
    auto views{database.value().connection().prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")};
    ASSERT_TRUE(views.ok());
    int count{0};
    while (views.value().step().value()) {
        const auto rows{
            database.value().connection().integer("SELECT count(*) FROM " + views.value().text(0))};
        ASSERT_TRUE(rows.ok()) << rows.error().message;
        EXPECT_GT(rows.value(), 0) << views.value().text(0);
        ++count;
    }
    EXPECT_EQ(count, 12);
}

TEST(Database, CatalogueTableIsBroughtUpToDate) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "a.db");
    ASSERT_TRUE(
        raw(folder / "a.db").execute("UPDATE field SET symbol = 'old_name' WHERE encoding = 0x681E").ok());
    auto database{Database::open(folder / "a.db", OpenMode::append)};
    ASSERT_TRUE(database.ok());
    EXPECT_EQ(database.value()
                  .connection()
                  .integer("SELECT encoding FROM field WHERE symbol = 'guest_rip'")
                  .value(),
              0x681E);
}

TEST(Database, ForeignDatabaseIsRefused) {
    const TemporaryFolder folder{};
    ASSERT_TRUE(raw(folder / "foreign.db").execute("CREATE TABLE t (a); PRAGMA application_id = 7").ok());
    expect_refused(folder / "foreign.db", ErrorKind::foreign, "another program");
}

TEST(Database, UnmarkedDatabaseWithTablesIsRefused) {
    const TemporaryFolder folder{};
    ASSERT_TRUE(raw(folder / "plain.db").execute("CREATE TABLE t (a)").ok());
    expect_refused(folder / "plain.db", ErrorKind::foreign, "another program");
}

TEST(Database, NewerVersionIsRefused) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "newer.db");
    ASSERT_TRUE(raw(folder / "newer.db").execute("PRAGMA user_version = 999").ok());
    expect_refused(folder / "newer.db", ErrorKind::newer, "update shadowtune");
}

TEST(Database, OtherKindOfFileIsRefused) {
    const TemporaryFolder folder{};
    write_bytes(folder / "text.db", std::string(5000, 'x'));
    expect_refused(folder / "text.db", ErrorKind::not_a_database, "not a shadowtune database");
}

TEST(Database, TruncatedFileIsRefused) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "whole.db");
    const std::string whole{bytes_of(folder / "whole.db")};
    ASSERT_GT(whole.size(), 8192U);
    write_bytes(folder / "cut.db", whole.substr(0, whole.size() / 2));
    expect_refused(folder / "cut.db", ErrorKind::damaged, "again");
    write_bytes(folder / "short.db", whole.substr(0, whole.size() - 100));
    expect_refused(folder / "short.db", ErrorKind::damaged, "again");
    write_bytes(folder / "stump.db", whole.substr(0, 50));
    expect_refused(folder / "stump.db", ErrorKind::damaged, "again");
}

TEST(Database, EmptyFileIsNoRecordingButMayBecomeOne) {
    const TemporaryFolder folder{};
    write_bytes(folder / "empty.db", "");
    const auto read{Database::open(folder / "empty.db", OpenMode::read)};
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind, ErrorKind::not_a_database);
    EXPECT_TRUE(Database::open(folder / "empty.db", OpenMode::append).ok());
}

TEST(Database, MissingFileIsNotCreatedByReading) {
    const TemporaryFolder folder{};
    const auto database{Database::open(folder / "none.db", OpenMode::read)};
    ASSERT_FALSE(database.ok());
    EXPECT_EQ(database.error().kind, ErrorKind::cannot_open);
    EXPECT_FALSE(std::filesystem::exists(folder / "none.db"));
}

TEST(Database, FolderAndMissingFolderAreRefused) {
    const TemporaryFolder folder{};
    EXPECT_EQ(Database::open(folder.path(), OpenMode::read).error().kind, ErrorKind::cannot_open);
    EXPECT_EQ(Database::open(folder / "no/such/a.db", OpenMode::append).error().kind, ErrorKind::cannot_open);
}

TEST(Database, OddNamesWork) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "a b?c#d%41.db");
    EXPECT_TRUE(std::filesystem::exists(folder / "a b?c#d%41.db"));
    EXPECT_TRUE(Database::open(folder / "a b?c#d%41.db", OpenMode::read).ok());
}

// Permissions do not bind root: a child without privileges tries.
enum Outcome : int { opened = 0, other_error = 1, refused_read_only = 2, refused_unreadable = 3 };
[[nodiscard]] int open_as_nobody(const std::filesystem::path& path, OpenMode mode) {
    const pid_t child{fork()};
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(99);
        int outcome{opened};
        {
            const auto database{Database::open(path, mode)};
            if (!database) {
                outcome = database.error().kind == ErrorKind::read_only     ? refused_read_only
                          : database.error().kind == ErrorKind::cannot_open ? refused_unreadable
                                                                            : other_error;
            }
        }
        _exit(outcome);
    }
    int status{0};
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Database, ReadOnlyFileAndFolder) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "a.db");
    ASSERT_EQ(chmod((folder / "a.db").c_str(), 0444), 0);
    ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
    EXPECT_EQ(open_as_nobody(folder / "a.db", OpenMode::read), opened);
    EXPECT_EQ(open_as_nobody(folder / "a.db", OpenMode::append), refused_read_only);
    ASSERT_EQ(chmod((folder / "a.db").c_str(), 0), 0);
    EXPECT_EQ(open_as_nobody(folder / "a.db", OpenMode::read), refused_unreadable);
    EXPECT_EQ(open_as_nobody(folder / "b.db", OpenMode::append), refused_unreadable);
    ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
}

[[nodiscard]] std::vector<db::Migration> and_then(std::string_view one, std::string_view another) {
    std::vector<db::Migration> steps{db::migrations().begin(), db::migrations().end()};
    steps.push_back({one});
    steps.push_back({another});
    return steps;
}

// The mechanism, with steps of a future that does not exist yet.
TEST(Migration, OldFileMovesForwardInOneTransaction) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "v1.db");
    auto connection{raw(folder / "v1.db")};
    const auto steps{and_then("ALTER TABLE recording ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'",
                              "CREATE TABLE shape (name TEXT)")};
    EXPECT_EQ(db::inspect(connection, steps).value(), db::FileState::older);
    ASSERT_TRUE(db::migrate(connection, steps).ok());
    EXPECT_EQ(db::inspect(connection, steps).value(), db::FileState::current);
    EXPECT_EQ(connection.integer("PRAGMA user_version").value(), db::schema_version() + 2);
    EXPECT_EQ(connection.integer("SELECT count(*) FROM recording WHERE colour = 'blue'").value(), 1);
    EXPECT_EQ(connection.integer("SELECT count(*) FROM snapshot").value(), 3);
    EXPECT_EQ(connection.integer("SELECT count(*) FROM shape").value(), 0);
}

TEST(Migration, FailedStepLeavesTheOldFile) {
    const TemporaryFolder folder{};
    test::write_sample(folder / "v1.db");
    auto connection{raw(folder / "v1.db")};
    const auto steps{and_then("CREATE TABLE shape (name TEXT)", "CREATE TABLE field (x)")};
    EXPECT_FALSE(db::migrate(connection, steps).ok());
    EXPECT_EQ(connection.integer("PRAGMA user_version").value(), db::schema_version());
    EXPECT_EQ(connection.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'shape'").value(), 0);
    EXPECT_EQ(db::inspect(connection, db::migrations()).value(), db::FileState::current);
}

// The versions as they were released. A step that is edited afterwards breaks files that are out there:
// append one instead.
TEST(Migration, ReleasedVersionsAreFrozen) {
    const auto hash_of{[](std::string_view text) {
        std::uint64_t hash{14695981039346656037U};
        for (const char c : text)
            hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
        return hash;
    }};
    EXPECT_EQ(hash_of(db::schema_v1), 1597906038170555569U);
    EXPECT_EQ(hash_of(db::schema_v2), 18021038889099138012U);
    EXPECT_EQ(hash_of(db::schema_v3), 12885221163084587702U);
    EXPECT_EQ(hash_of(db::schema_v4), 6879526583686957467U);
    EXPECT_EQ(hash_of(db::schema_v5), 15483075553916531070U);
    EXPECT_EQ(hash_of(db::schema_v6), 11236703697744610106U);
    EXPECT_EQ(hash_of(db::schema_v7), 8739191917535303921U);
    EXPECT_EQ(hash_of(db::schema_v8), 6701874400050781704U);
    EXPECT_EQ(hash_of(db::schema_v9), 6692008294770214999U);
}

// A file of an older version with one recording, whose rows these are, as it opens now.
[[nodiscard]] db::Database open_older(const std::filesystem::path& path, std::size_t version,
                                      const std::string& rows, OpenMode mode) {
    {
        auto connection{raw(path)};
        EXPECT_TRUE(db::migrate(connection, db::migrations().first(version)).ok());
        EXPECT_TRUE(db::write_names(connection).ok());
        EXPECT_TRUE(connection
                        .execute("INSERT INTO machine VALUES (1, 7, '', 0, 0, 0, 1, '', 0);"
                                 "INSERT INTO recording VALUES (1, 1, 'linux', 'L', '', '', '', 1, NULL);" +
                                 rows)
                        .ok());
    }
    auto database{db::Database::open(path, mode)};
    EXPECT_TRUE(database.ok());
    EXPECT_EQ(database.value().connection().integer("PRAGMA user_version").value(), db::schema_version());
    return std::move(database).value();
}

// A file of version 1, with counts in it, says the same when it has moved forward.
TEST(Migration, FromVersionOne) {
    const TemporaryFolder folder{};
    auto database{
        open_older(folder / "v1.db", 1,
                   "INSERT INTO snapshot VALUES (1, 1, 1, 1, 0, 0, 0, 0), (2, 1, 2, 2, 0, 0, 0, 0);"
                   "INSERT INTO access_count VALUES (1, 0, 0x681E, 0, 10, 5), (2, 0, 0x681E, 0, 10, 12),"
                   " (1, 0, 0x681C, 0, 10, 4);",
                   OpenMode::read)};
    auto reader{db::RecordingReader::open(database)};
    ASSERT_TRUE(reader.ok());
    const auto totals{reader.value().totals({1, 2})};
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    EXPECT_EQ(totals.value().fields[vmcs::find(0x681E)].reads, 7U);
    EXPECT_EQ(totals.value().fields[vmcs::find(0x681C)].reads, 0U);
    EXPECT_EQ(reader.value().totals({0, 2}).value().fields[vmcs::find(0x681C)].reads, 4U);
    EXPECT_EQ(database.connection().integer("SELECT complete FROM snapshot WHERE sequence = 1").value(), 1);
}

// One of version 7 has no changes; it takes them from now on.
TEST(Migration, FromVersionSeven) {
    const TemporaryFolder folder{};
    auto database{open_older(
        folder / "v7.db", 7,
        "INSERT INTO snapshot VALUES (1, 1, 1, 1, 0, 0, 0, 0, 1), (2, 1, 2, 2, 0, 0, 0, 0, 0);"
        "INSERT INTO access_count VALUES (1, 0, 0x681E, 0, 10, 5, 2), (2, 0, 0x681E, 0, 10, 12, 6);",
        OpenMode::append)};
    const db::RecordingReader reader{db::RecordingReader::open(database).value()};
    const db::Totals totals{reader.totals({1, 2}).value()};
    ASSERT_EQ(totals.accesses.size(), 1U);
    EXPECT_EQ(totals.accesses[0].count, 7U);
    EXPECT_EQ(totals.accesses[0].in_memory, 4U);
    EXPECT_EQ(totals.changes[vmcs::find(0x681E)].at_exit, 0U);
    EXPECT_EQ(totals.switches, 0U);
    auto writer{db::RecordingWriter::begin(database, test::sample_machine(), test::sample_labels(), 1)};
    ASSERT_TRUE(writer.ok());
    EXPECT_TRUE(writer.value().add_snapshot(test::sample_snapshot(10)).ok());
}

// The views of version 8 divide by sampled round trips as well.
TEST(Migration, FromVersionEight) {
    const TemporaryFolder folder{};
    auto database{
        open_older(folder / "v8.db", 8,
                   "INSERT INTO snapshot VALUES (1, 1, 1, 1, 0, 0, 0, 0, 1), (2, 1, 2, 2, 0, 0, 0, 0, 0);"
                   "INSERT INTO access_count VALUES (2, 0, 0x681E, 0, 10, 45, 0);"
                   "INSERT INTO round_trip_count VALUES (2, 0, 10, 100);"
                   "INSERT INTO sampled_round_trip_count VALUES (2, 0, 10, 10);",
                   OpenMode::read)};
    for (const std::string view : {"access_rate", "access_rate_by_reason"}) {
        const auto rate{
            database.connection().integer("SELECT cast(per_round_trip * 100 AS INTEGER) FROM " + view)};
        ASSERT_TRUE(rate.ok()) << rate.error().message;
        EXPECT_EQ(rate.value(), 50) << view;
    }
}

} // namespace
} // namespace shadowtune
