#include "db/calibration.hpp"
#include "tests/db/sample_recording.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using db::Quantity;

[[nodiscard]] db::Calibration sample_calibration() {
    db::Calibration calibration{};
    calibration.machine = test::sample_machine();
    calibration.cpu_model = "model";
    calibration.tool_version = "1.2";
    calibration.made_ms = 1234;
    calibration.unit = "instructions";
    calibration.figures = {
        {Quantity::round_trip, {}, {}, 3000, 2990.5, 3001, 2980, 3100.25, 7},
        {Quantity::sync_read, vmcs::Type::guest_state, vmcs::Width::natural, 30, 29, 31, -2.5, 40, 7},
        {Quantity::sync_read, vmcs::Type::guest_state, vmcs::Width::bits16, 31, 29, 31, 28, 40, 7},
        {Quantity::trapped_read, vmcs::Type::control, {}, 500, 499, 501, 490, 510, 7}};
    return calibration;
}

TEST(CalibrationStore, ComesBackAsItWasStored) {
    const test::TemporaryFolder folder{};
    {
        auto database{db::Database::open(folder / "a.db", db::OpenMode::append)};
        ASSERT_TRUE(database.ok());
        db::Calibration second{sample_calibration()};
        second.figures.pop_back();
        EXPECT_EQ(db::store_calibration(database.value(), sample_calibration()).value(), 1);
        EXPECT_EQ(db::store_calibration(database.value(), second).value(), 2);
    }
    auto database{db::Database::open(folder / "a.db", db::OpenMode::read)};
    ASSERT_TRUE(database.ok());
    const auto all{db::read_calibrations(database.value())};
    ASSERT_TRUE(all.ok()) << all.error().message;
    ASSERT_EQ(all.value().size(), 2U);
    const db::Calibration wanted{sample_calibration()};
    const db::Calibration& got{all.value()[0]};
    EXPECT_EQ(got.id, 1);
    EXPECT_EQ(got.machine.cpu_brand, wanted.machine.cpu_brand);
    EXPECT_EQ(got.machine.offered_fields, wanted.machine.offered_fields);
    EXPECT_EQ(got.cpu_model, "model");
    EXPECT_EQ(got.unit, "instructions");
    EXPECT_EQ(got.tool_version, "1.2");
    EXPECT_EQ(got.made_ms, 1234);
    ASSERT_EQ(got.figures.size(), wanted.figures.size());
    for (const db::CostFigure& figure : wanted.figures) {
        const auto same{[&](const db::CostFigure& f) {
            return f.quantity == figure.quantity && f.type == figure.type && f.width == figure.width &&
                   f.median == figure.median && f.lower_quartile == figure.lower_quartile &&
                   f.upper_quartile == figure.upper_quartile && f.least == figure.least &&
                   f.most == figure.most && f.repetitions == figure.repetitions;
        }};
        EXPECT_EQ(std::ranges::count_if(got.figures, same), 1) << db::text(figure.quantity);
    }
    EXPECT_EQ(all.value()[1].figures.size(), 3U);
}

TEST(CalibrationStore, IsEmptyInAFileWithoutOne) {
    const test::TemporaryFolder folder{};
    test::write_sample(folder / "a.db");
    auto database{db::Database::open(folder / "a.db", db::OpenMode::read)};
    ASSERT_TRUE(database.ok());
    EXPECT_TRUE(db::read_calibrations(database.value()).value().empty());
}

// A newer shadowtune may measure more.
TEST(CalibrationStore, LeavesOutWhatItDoesNotKnow) {
    const test::TemporaryFolder folder{};
    auto database{db::Database::open(folder / "a.db", db::OpenMode::append)};
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(db::store_calibration(database.value(), sample_calibration()).ok());
    for (const char* const row :
         {"(1, 'tea', '', '', 1, 1, 1, 1, 1, 1)", "(1, 'sync read', 'soup', '', 1, 1, 1, 1, 1, 1)",
          "(1, 'sync read', '', '128', 1, 1, 1, 1, 1, 1)"}) {
        ASSERT_TRUE(database.value()
                        .connection()
                        .execute(std::string{"INSERT INTO calibration_cost VALUES "} + row)
                        .ok());
    }
    EXPECT_EQ(db::read_calibrations(database.value()).value()[0].figures.size(), 4U);
}

TEST(CalibrationStore, NamesEachQuantityOnce) {
    for (std::size_t i{0}; i < db::quantity_count; ++i) {
        const auto quantity{static_cast<Quantity>(i)};
        EXPECT_EQ(db::find_quantity(db::text(quantity)), quantity);
    }
    EXPECT_FALSE(db::find_quantity("tea").has_value());
}

} // namespace
} // namespace shadowtune
