// Snapshots that come fast are stored together: the same rows as one by one, seen by others when they are
// committed.

#include "db/recording_reader.hpp"
#include "tests/db/sample_recording.hpp"

#include <gtest/gtest.h>
#include <optional>
#include <thread>

namespace shadowtune::db {
namespace {

constexpr std::chrono::hours never{1};

class Gathering : public ::testing::Test {
protected:
    void SetUp() override {
        m_database.emplace(Database::open(m_folder / "a.db", OpenMode::append).value());
        m_writer.emplace(
            RecordingWriter::begin(*m_database, test::sample_machine(), test::sample_labels(), 0).value());
    }
    // What another process finds.
    [[nodiscard]] std::int64_t stored(const std::string& table = "snapshot") {
        auto database{Database::open(m_folder / "a.db", OpenMode::read)};
        return database.value().connection().integer("SELECT count(*) FROM " + table).value();
    }

    test::TemporaryFolder m_folder;
    std::optional<Database> m_database{};
    std::optional<RecordingWriter> m_writer{};
};

TEST_F(Gathering, OneByOneAtFirst) {
    for (std::uint64_t rounds{1}; rounds <= 3; ++rounds) {
        ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(rounds)).ok());
        EXPECT_EQ(stored(), static_cast<std::int64_t>(rounds));
    }
}

TEST_F(Gathering, FinishStoresWhatIsThere) {
    m_writer->gather_for(never);
    for (std::uint64_t rounds{1}; rounds <= 10; ++rounds)
        ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(rounds)).ok());
    EXPECT_EQ(stored(), 0);
    ASSERT_TRUE(m_writer->finish(1000).ok());
    EXPECT_EQ(stored(), 10);
}

TEST_F(Gathering, SoDoesItsEnd) {
    m_writer->gather_for(never);
    ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(1)).ok());
    RecordingWriter moved{std::move(*m_writer)};
    m_writer.reset();
    ASSERT_TRUE(moved.add_snapshot(test::sample_snapshot(2)).ok());
    EXPECT_EQ(stored(), 0);
    { const RecordingWriter last{std::move(moved)}; }
    EXPECT_EQ(stored(), 2);
}

TEST_F(Gathering, TheFirstOneAfterTheTimeStoresAll) {
    m_writer->gather_for(std::chrono::milliseconds{20});
    ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(1)).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds{30});
    ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(2)).ok());
    EXPECT_EQ(stored(), 2);
}

TEST_F(Gathering, ABadSnapshotTakesNoOtherWithIt) {
    m_writer->gather_for(never);
    ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(5)).ok());
    auto twice{test::sample_snapshot(6)};
    twice.vcpus[0].accesses.push_back(twice.vcpus[0].accesses[0]);
    ASSERT_FALSE(m_writer->add_snapshot(twice).ok());
    ASSERT_FALSE(m_writer->add_snapshot(test::sample_snapshot(4)).ok());
    ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(6)).ok());
    ASSERT_TRUE(m_writer->finish(1000).ok());
    EXPECT_EQ(stored(), 2);
    auto reader{RecordingReader::open(*m_database, m_writer->id())};
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(stored("access_count"), 15 + 12);
}

TEST_F(Gathering, AGenerationComesBehindWhatWasGathered) {
    m_writer->gather_for(never);
    ASSERT_TRUE(m_writer->add_snapshot(test::sample_snapshot(1)).ok());
    ASSERT_TRUE(m_writer->generation({7, Mode::tuned, 0, "hot", {}}, 5).ok());
    EXPECT_EQ(stored(), 1);
    EXPECT_EQ(stored("generation"), 1);
    ASSERT_TRUE(m_writer->generation({7, Mode::tuned, 0, "hot", {}}, 6).ok());
    EXPECT_EQ(stored("generation"), 1);
}

} // namespace
} // namespace shadowtune::db
