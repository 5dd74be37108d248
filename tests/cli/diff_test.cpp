// `diff`: the real program on recordings and profiles that are alike, and on some that are not.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using test::run_program;
using Json = nlohmann::json;

class Diff : public ::testing::Test {
protected:
    void SetUp() override {
        test::write_sample(m_db);
        test::write_sample(m_db, db::Mode::tuned);
    }
    [[nodiscard]] std::string profile(const std::string& name, const std::string& budget) {
        const std::string file{(m_folder / name).string()};
        EXPECT_EQ(run_program({"tune", m_db + ":1", "-o", file, "--budget", budget}).code, 0);
        return file;
    }

    test::TemporaryFolder m_folder;
    std::string m_db{(m_folder / "a.db").string()};
};

TEST_F(Diff, ProfilesByField) {
    const std::string three{profile("three.json", "3")};
    const std::string two{profile("two.json", "2")};
    const auto same{run_program({"diff", three, three})};
    EXPECT_EQ(same.code, 0) << same.err;
    EXPECT_EQ(same.out, "No difference.\n");
    const auto differ{run_program({"diff", three, two, "--format", "json"})};
    EXPECT_EQ(differ.code, 1) << differ.err;
    const Json json(Json::parse(differ.out));
    EXPECT_EQ(json["differs"], true);
    ASSERT_FALSE(json["differences"].empty());
    EXPECT_EQ(json["differences"][0]["first"], true);
    EXPECT_EQ(json["differences"][0]["second"], false);
    EXPECT_NE(run_program({"diff", three, two}).out.find("trapped"), std::string::npos);
    const auto all{run_program({"diff", three, three, "--all", "--format", "csv"})};
    EXPECT_EQ(all.code, 0);
    EXPECT_GE(std::count(all.out.begin(), all.out.end(), '\n'), 4);
}

TEST_F(Diff, RecordingsBeyondChance) {
    const auto same{run_program({"diff", m_db + ":1", m_db + ":1"})};
    EXPECT_EQ(same.code, 0) << same.err << same.out;
    // The same workload without its I/O, so without exit qualifications.
    const std::string other{(m_folder / "b.db").string()};
    auto database{db::Database::open(other, db::OpenMode::append)};
    auto writer{
        db::RecordingWriter::begin(database.value(), test::sample_machine(), test::sample_labels(), 1)};
    for (const std::uint64_t rounds : {10U, 110U}) {
        db::Snapshot snapshot{test::sample_snapshot(rounds, db::Mode::trap)};
        std::erase_if(snapshot.vcpus[0].accesses, [](const db::AccessCount& access) {
            return access.encoding == vmcs::encoding_of(vmcs::Field::exit_qualification);
        });
        ASSERT_TRUE(writer.value().add_snapshot(snapshot).ok());
    }
    const auto differ{run_program({"diff", m_db + ":1", other, "--format", "json"})};
    EXPECT_EQ(differ.code, 1) << differ.err;
    const Json json(Json::parse(differ.out));
    ASSERT_EQ(json["differences"].size(), 1U);
    EXPECT_EQ(json["differences"][0]["field"], "exit_qualification");
    EXPECT_EQ(json["differences"][0]["first"], 0.6);
    EXPECT_EQ(json["differences"][0]["relative"], -1.0);
    const auto table{run_program({"diff", m_db + ":1", other})};
    EXPECT_NE(table.out.find("-100.0 %"), std::string::npos) << table.out;
    const auto csv{run_program({"diff", other, m_db + ":1", "--format", "csv", "--all"})};
    EXPECT_NE(csv.out.find("exit_qualification,read,0.000000,0.600000,0.600000,,"), std::string::npos)
        << csv.out;
}

TEST_F(Diff, WhatCannotBeCompared) {
    const std::string three{profile("three.json", "3")};
    EXPECT_EQ(run_program({"diff", three, m_db}).code, 3);
    const auto incomplete{run_program({"diff", m_db + ":2", m_db + ":1"})}; // of mode tuned
    EXPECT_EQ(incomplete.code, 3);
    EXPECT_NE(incomplete.err.find("record with --mode trap\n"), std::string::npos) << incomplete.err;
    // The one that is not there is named, not the other.
    const std::string none{(m_folder / "none.db").string()};
    for (const auto& [first, second] :
         {std::pair{none, m_db + ":1"}, {m_db + ":1", none + ":1"}, {three, none}, {none, three}}) {
        const auto missing{run_program({"diff", first, second})};
        EXPECT_EQ(missing.code, 3);
        EXPECT_EQ(missing.err.find("shadowtune: " + none), 0U) << missing.err;
        EXPECT_NE(missing.err.find("no such file"), std::string::npos) << missing.err;
    }
    EXPECT_EQ(run_program({"diff", three}).code, 2);
    EXPECT_EQ(run_program({"diff", three, three, "--level", "2"}).code, 2);
}

} // namespace
} // namespace shadowtune
