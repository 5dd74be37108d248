// Calibrations in files: shown, chosen by processor, and used.

#include "db/calibration.hpp"
#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using db::Quantity;
using test::Outcome;
using test::run_program;
using Json = nlohmann::json;

class CalibratedFile : public ::testing::Test {
protected:
    void SetUp() override {
        m_db = (m_folder / "a.db").string();
        m_costs = (m_folder / "costs.db").string();
        test::write_sample(m_db);
    }

    static void store(const std::string& file, double trapped_read, const std::string& brand) {
        db::Calibration calibration{};
        calibration.machine = test::sample_machine();
        calibration.machine.cpu_brand = brand;
        calibration.machine.boot_id += static_cast<std::uint64_t>(trapped_read); // another boot
        calibration.unit = "instructions";
        const auto add{[&](Quantity quantity, double ticks) {
            calibration.figures.push_back({quantity, {}, {}, ticks, ticks, ticks, ticks, ticks, 3});
        }};
        add(Quantity::trapped_read, trapped_read);
        add(Quantity::trapped_write, 700);
        add(Quantity::sync_read, 20);
        add(Quantity::sync_write, 30);
        auto database{db::Database::open(file, db::OpenMode::append)};
        ASSERT_TRUE(database.ok());
        ASSERT_TRUE(db::store_calibration(database.value(), calibration).ok());
    }

    [[nodiscard]] static double ticks_of(const Outcome& outcome, const std::string& set) {
        const Json json(Json::parse(outcome.out));
        for (const Json& row : json["per_round_trip"]) {
            if (row["set"] == set && row["ticks"].is_number()) return row["ticks"].get<double>();
        }
        return -1;
    }

    [[nodiscard]] Outcome simulate(const std::string& costs) const {
        std::vector<std::string> arguments{"simulate", m_db, "--format", "json"};
        if (!costs.empty()) arguments.insert(arguments.end(), {"--costs", costs});
        return run_program(arguments);
    }

    test::TemporaryFolder m_folder;
    std::string m_db;
    std::string m_costs;
};

TEST_F(CalibratedFile, ItsNewestCalibrationOfTheProcessorPredictsTicks) {
    store(m_costs, 400, "Test processor");
    store(m_costs, 500, "Test processor");
    store(m_costs, 9000, "Another one");
    const Outcome outcome{simulate(m_costs)};
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json json(Json::parse(outcome.out));
    EXPECT_EQ(json["costs"], "measured");
    EXPECT_EQ(json["unit"], "instructions");
    // 3.7 reads per round trip trap, and the newest calibration counts.
    const double saved{ticks_of(outcome, "none") - ticks_of(outcome, "optimum")};
    EXPECT_GT(ticks_of(outcome, "none"), 0);
    EXPECT_GT(saved, 3.6 * (500 - 20));
}

TEST_F(CalibratedFile, TheRecordingsOwnFileIsTheDefault) {
    EXPECT_EQ(Json::parse(simulate("").out)["costs"], "published");
    EXPECT_EQ(ticks_of(simulate(""), "none"), -1);
    store(m_db, 400, "Test processor");
    const Outcome outcome{simulate("")};
    EXPECT_EQ(Json::parse(outcome.out)["costs"], "measured") << outcome.err;
    EXPECT_EQ(Json::parse(simulate("published").out)["costs"], "published");
    const Outcome tuned{run_program({"tune", m_db, "-o", (m_folder / "p.json").string()})};
    EXPECT_NE(tuned.out.find("instructions"), std::string::npos) << tuned.out << tuned.err;
}

TEST_F(CalibratedFile, AnotherProcessorsIsRefused) {
    store(m_costs, 400, "Another one");
    const Outcome outcome{simulate(m_costs)};
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.err.find("no calibration of this processor, Test processor"), std::string::npos)
        << outcome.err;
    EXPECT_EQ(simulate("guess").code, 2);
}

// Whichever of the recordings comes first.
TEST_F(CalibratedFile, OfAnyRecordingsFileServesAll) {
    const std::string other{(m_folder / "b.db").string()};
    test::write_sample(other);
    store(other, 400, "Test processor");
    const std::string profile{(m_folder / "p.json").string()};
    const Outcome one{run_program({"tune", m_db, other, "-o", profile})};
    const Outcome another{run_program({"tune", other, m_db, "-o", profile})};
    for (const Outcome& outcome : {one, another}) {
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_NE(outcome.out.find("Predicted (measured costs)"), std::string::npos) << outcome.out;
    }
}

TEST_F(CalibratedFile, ARecordingOfAnotherProcessorIsNamed) {
    const std::string other{(m_folder / "b.db").string()};
    test::write_sample(other);
    {
        auto database{db::Database::open(other, db::OpenMode::append)};
        ASSERT_TRUE(
            database.value().connection().execute("UPDATE machine SET cpu_brand = 'Another one'").ok());
    }
    store(m_costs, 400, "Test processor");
    const std::string profile{(m_folder / "p.json").string()};
    const auto tune{[&](std::vector<std::string> words) {
        words.insert(words.begin(), "tune");
        words.insert(words.end(), {"-o", profile});
        return run_program(words);
    }};
    for (const auto& files : {std::vector{m_db, other}, {other, m_db}}) {
        EXPECT_EQ(tune(files).code, 0) << "published costs are of no processor";
        std::vector<std::string> words{files};
        words.insert(words.end(), {"--costs", m_costs});
        const Outcome outcome{tune(words)};
        EXPECT_EQ(outcome.code, 3);
        EXPECT_NE(outcome.err.find(other + ", recording 1: of another processor, Another one"),
                  std::string::npos)
            << outcome.err;
    }
    store(m_db, 400, "Test processor");
    EXPECT_EQ(tune({m_db, other}).code, 3);
    EXPECT_EQ(tune({m_db, other, "--costs", "published"}).code, 0);
    EXPECT_FALSE(tune({other, m_db}).code == 0);
}

TEST_F(CalibratedFile, IsShown) {
    const Outcome nothing{run_program({"calibrate", "--db", m_db, "--show"})};
    EXPECT_EQ(nothing.code, 3);
    EXPECT_NE(nothing.err.find("has no calibration"), std::string::npos) << nothing.err;
    store(m_db, 400, "Test processor");
    const Outcome shown{run_program({"calibrate", "--db", m_db, "--show"})};
    EXPECT_EQ(shown.code, 0) << shown.err;
    EXPECT_NE(shown.out.find("trapped read"), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("400.0"), std::string::npos) << shown.out;
    EXPECT_EQ(run_program({"calibrate", "--db", m_db}).code, 2);
    EXPECT_EQ(run_program({"calibrate", "--db", m_db, "--lab", "--link", "x"}).code, 2);
}

} // namespace
} // namespace shadowtune
