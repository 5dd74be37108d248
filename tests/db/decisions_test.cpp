// The closed loop's log comes back as it was written.

#include "db/decisions.hpp"
#include "tests/db/sample_recording.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace shadowtune {
namespace {

using vmcs::Field;
using vmcs::index_of;

class Decisions : public ::testing::Test {
protected:
    void SetUp() override {
        test::write_sample(m_folder / "a.db");
        auto database{db::Database::open(m_folder / "a.db", db::OpenMode::append)};
        ASSERT_TRUE(database.ok());
        m_database = std::make_unique<db::Database>(std::move(database).value());
    }

    test::TemporaryFolder m_folder;
    std::unique_ptr<db::Database> m_database;
};

TEST_F(Decisions, ComeBackInOrder) {
    const db::Decision start{1'000, 1, 0, 0, "start", 1, 0, 0, "cycles", "a machine", {}};
    const db::Decision retune{2'000,
                              2,
                              1'500,
                              1'400,
                              "retune",
                              3,
                              8.25,
                              970.5,
                              "cycles",
                              "guest_rip",
                              {{index_of(Field::guest_rip), "-", "RW", {1, 0.9, 1.1}, {0.5, 0.5, 0.5}},
                               {index_of(Field::host_rsp),
                                "R",
                                "-",
                                {0, 0, std::numeric_limits<double>::infinity()},
                                {0, 0, 0.001}}}};
    ASSERT_TRUE(db::add_decision(*m_database, 1, start).ok());
    ASSERT_TRUE(db::add_decision(*m_database, 1, retune).ok());
    const auto read{db::read_decisions(*m_database, 1)};
    ASSERT_TRUE(read.ok()) << read.error().message;
    ASSERT_EQ(read.value().size(), 2U);
    EXPECT_EQ(read.value()[0].action, "start");
    EXPECT_TRUE(read.value()[0].changes.empty());
    const db::Decision& last{read.value()[1]};
    EXPECT_EQ(last.round_trips, 1'500U);
    EXPECT_EQ(last.gone_by, 1'400U);
    EXPECT_EQ(last.trapped, 8.25);
    EXPECT_EQ(last.gain, 970.5);
    ASSERT_EQ(last.changes.size(), 2U);
    for (const db::DecisionChange& change : last.changes) {
        if (change.field != index_of(Field::host_rsp)) continue;
        EXPECT_EQ(change.before, "R");
        EXPECT_EQ(change.after, "-");
        EXPECT_EQ(change.reads.high, std::numeric_limits<double>::infinity());
        EXPECT_EQ(change.writes.high, 0.001);
    }
    EXPECT_TRUE(db::read_decisions(*m_database, 2).value().empty());
}

TEST_F(Decisions, AnUnknownActionIsRefused) {
    EXPECT_FALSE(db::add_decision(*m_database, 1, {0, 1, 0, 0, "guess", 1, 0, 0, "", "", {}}).ok());
    EXPECT_TRUE(db::read_decisions(*m_database, 1).value().empty());
}

TEST_F(Decisions, AnUnknownFieldIsDamage) {
    ASSERT_TRUE(db::add_decision(
                    *m_database, 1,
                    {0, 1, 0, 0, "wait", 1, 0, 0, "", "", {{index_of(Field::guest_rip), "-", "R", {}, {}}}})
                    .ok());
    ASSERT_TRUE(m_database->connection().execute("UPDATE decision_change SET encoding = 65000").ok());
    const auto read{db::read_decisions(*m_database, 1)};
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind, db::ErrorKind::damaged);
}

} // namespace
} // namespace shadowtune
