#include "gui/model/bitmap_cells.hpp"
#include "gui/model/comparison.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"

#include <QAbstractItemModelTester>
#include <QTest>
#include <algorithm>

namespace shadowtune::gui {

namespace {

using vmcs::Field;

struct Fixture {
    [[nodiscard]] RecordingPtr read(const std::string& name, db::Mode mode, const Filter& filter = {}) {
        const std::string file{(folder / name).string()};
        if (!std::filesystem::exists(file)) test::write_sample(file, mode);
        const auto read{source.read({file, 0}, filter)};
        return read ? read.value() : nullptr;
    }

    test::TemporaryFolder folder;
    RecordingSource source;
};

} // namespace

void CompareTest::maps_have_the_same_rows_and_columns() {
    Fixture on{};
    const RecordingPtr trap{on.read("a.db", db::Mode::trap)};
    const RecordingPtr tuned{on.read("b.db", db::Mode::tuned)};
    const ComparedMaps maps{compared_maps(trap, tuned)};
    QCOMPARE(maps.first->rows, maps.second->rows);
    QCOMPARE(maps.first->rows, maps.difference->rows);
    QCOMPARE(maps.first->matrix.columns.size(), maps.difference->matrix.columns.size());
    // RIP was read and written in each round trip, and is shadowed now.
    const CellRate& change{maps.difference->matrix.at(vmcs::index_of(Field::guest_rip), 0)};
    QCOMPARE(change.reads, -1.0);
    QCOMPARE(change.writes, -1.0);
    HeatmapModel model{};
    model.show(maps.difference, Accesses::both);
    const QColor less{model.index(model.row_of(vmcs::index_of(Field::guest_rip)), 0)
                          .data(Qt::BackgroundRole)
                          .value<QColor>()};
    QCOMPARE(less, difference_color(-1, false));
}

void CompareTest::what_differs_is_found() {
    Fixture on{};
    const RecordingPtr a{on.read("a.db", db::Mode::trap)};
    QVERIFY(why_no_test(*a, *a).isEmpty());
    const tuner::RateSample first{tuner::rate_sample(a->workload(), {})};
    tuner::RateSample second{first};
    auto& rip{second.workload.fields[vmcs::index_of(Field::guest_rip)]};
    rip.reads_in_round_trips *= 2;
    DifferenceModel model{};
    const QAbstractItemModelTester tester{&model, QAbstractItemModelTester::FailureReportingMode::QtTest};
    model.show(tuner::compare_rates(first, second, usual_level));
    QCOMPARE(model.significant(), std::size_t{1});
    QCOMPARE(model.index(0, DifferenceModel::field_column).data().toString(), "guest_rip");
    QCOMPARE(model.index(0, DifferenceModel::difference_column).data().toString(), "+1");
    QVERIFY(model.index(0, DifferenceModel::p_column).data().toString().startsWith("* "));
}

void CompareTest::without_full_counts_nothing_is_tested() {
    Fixture on{};
    const RecordingPtr trap{on.read("a.db", db::Mode::trap)};
    const RecordingPtr tuned{on.read("b.db", db::Mode::tuned)};
    QVERIFY(why_no_test(*trap, *tuned).contains("not in mode trap"));
}

void CompareTest::bitmap_cells_are_the_pages_bits() {
    vmcs::FieldSet shown{};
    shown.set(Field::guest_rip);
    shown.set(Field::tsc_offset);
    vmcs::FieldSet other{};
    other.set(Field::guest_rip);
    const auto cells{cells_of(shown, other)};
    QCOMPARE(cells.size(), std::size_t{stretch_count * cells_per_stretch});
    // Every field is a cell, and a 64-bit one is two.
    QCOMPARE(static_cast<std::size_t>(std::ranges::count_if(
                 cells, [](const BitmapCell& cell) { return cell.field != vmcs::no_field; })),
             vmcs::field_count + vmcs::high_half_count);
    QCOMPARE(std::ranges::count_if(cells, &BitmapCell::passes), 3); // RIP, the offset, its high half
    QCOMPARE(std::ranges::count_if(cells, &BitmapCell::differs), 2);
    QVERIFY(std::ranges::is_sorted(cells, {}, &BitmapCell::encoding));
}

} // namespace shadowtune::gui
