#include "gui/model/heatmap_model.hpp"
#include "gui/model/recordings_model.hpp"
#include "tests/gui/heatmap_fixture.hpp"
#include "tests/gui/tests.hpp"

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QTest>
#include <algorithm>
#include <cmath>
#include <fstream>

namespace shadowtune::gui {

namespace {

using vmcs::Field;
using Fixture = HeatmapFixture;

// Lightness as the CIE has it (CIE 15:2004, L*).
[[nodiscard]] double lightness(const QColor& color) {
    const auto linear{[](double channel) {
        return channel <= 0.04045 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
    }};
    const double y{0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) +
                   0.0722 * linear(color.blueF())};
    return y > 0.008856 ? 116 * std::cbrt(y) - 16 : 903.3 * y;
}

} // namespace

void HeatmapTest::scales_grow_evenly_in_lightness() {
    constexpr int steps{50};
    for (const Palette palette : {Palette::viridis, Palette::cividis, Palette::grey}) {
        const ColorScale scale{palette, true, 1e-4, 1};
        const double mean{(lightness(scale.at(1)) - lightness(scale.at(0))) / steps};
        QVERIFY(mean > 1);
        for (int i{0}; i < steps; ++i) {
            const double step{lightness(scale.at((i + 1.0) / steps)) -
                              lightness(scale.at(double{1.0} * i / steps))};
            QVERIFY2(step > 0.4 * mean && step < 1.8 * mean, qPrintable(QString::number(step / mean)));
        }
    }
    const ColorScale scale{Palette::viridis, false, 0.01, 1};
    QCOMPARE(scale.place(0.1), 0.5);
    QCOMPARE(scale.color(0).alpha(), 0);
    QCOMPARE(scale.color(5), scale.at(1));
}

void HeatmapTest::rates_are_those_of_the_recording() {
    Fixture on{};
    const HeatmapPtr heatmap{on.heatmap()};
    QVERIFY(heatmap);
    QCOMPARE(heatmap->matrix.columns.size(), std::size_t{2});
    QCOMPARE(*heatmap->matrix.columns[0].reason, io); // the frequent one first
    QCOMPARE(heatmap->matrix.columns[0].round_trips, std::uint64_t{600});
    QCOMPARE(rate(*heatmap, Field::exit_reason, cpuid).reads, 1.0);
    QCOMPARE(rate(*heatmap, Field::guest_rip, io).writes, 1.0);
    QCOMPARE(rate(*heatmap, Field::exit_qualification, cpuid).reads, 0.0);
    QCOMPARE(rate(*heatmap, Field::ept_pointer, io).reads, 1.0 / 6);
    Filter one{};
    one.reasons = {cpuid};
    QCOMPARE(on.heatmap(one)->matrix.columns.size(), std::size_t{1});
}

void HeatmapTest::a_shadowed_access_is_not_taken_for_none() {
    Fixture on{db::Mode::tuned};
    const HeatmapPtr heatmap{on.heatmap()};
    QVERIFY(!heatmap->matrix.complete);
    const auto rip{vmcs::index_of(Field::guest_rip)};
    QVERIFY(cell_tooltip(*heatmap, rip, 0, {}).contains("shadowed ones are not seen"));
}

void HeatmapTest::time_adds_up_to_the_whole() {
    Fixture on{};
    Filter filter{};
    filter.axis = Axis::time;
    const HeatmapPtr heatmap{on.heatmap(filter)};
    QCOMPARE(heatmap->matrix.columns.size(), std::size_t{2});
    double reads{0};
    std::uint64_t trips{0};
    for (std::size_t i{0}; i < 2; ++i) {
        const HeatmapColumn& column{heatmap->matrix.columns[i]};
        reads += heatmap->matrix.at(vmcs::index_of(Field::guest_rip), i).reads *
                 static_cast<double>(column.round_trips);
        trips += column.round_trips;
    }
    QCOMPARE(trips, std::uint64_t{1000});
    QCOMPARE(reads, 1000.0);
    filter.range = db::SnapshotRange{2, 3};
    QCOMPARE(on.heatmap(filter)->matrix.columns.size(), std::size_t{1});
}

void HeatmapTest::recordings_of_one_workload_are_weighted() {
    Fixture on{};
    const auto whole{on.source.read({on.file, 0}, {})};
    QVERIFY(whole.ok());
    Filter short_part{};
    short_part.range = db::SnapshotRange{1, 2};
    const auto part{on.source.read({on.file, 0}, short_part)};
    QVERIFY(part.ok());
    const RecordingPtr both[]{whole.value(), part.value()};
    const HeatmapMatrix matrix{matrix_by_recording(both, Axis::workload)};
    QCOMPARE(matrix.columns.size(), std::size_t{1});
    QCOMPARE(matrix.columns[0].round_trips, std::uint64_t{1100});
    QCOMPARE(matrix.at(vmcs::index_of(Field::guest_rip), 0).reads, 1.0);
}

void HeatmapTest::tuned_recordings_do_not_dilute_others() {
    Fixture on{};
    Fixture tuned{db::Mode::tuned};
    const auto all{on.source.read({on.file, 0}, {})};
    const auto rest{tuned.source.read({tuned.file, 0}, {})};
    QVERIFY(all.ok() && rest.ok());
    const RecordingPtr both[]{rest.value(), all.value()};
    const HeatmapMatrix matrix{matrix_by_recording(both, Axis::l1)};
    QVERIFY(matrix.complete);
    QCOMPARE(matrix.columns.size(), std::size_t{1});
    QCOMPARE(matrix.at(vmcs::index_of(Field::guest_rip), 0).reads, 1.0);
    QVERIFY(!matrix_by_recording(both, Axis::recording).complete);
}

void HeatmapTest::rows_are_sorted_filtered_and_cold_ones_hidden() {
    Fixture on{};
    Filter filter{};
    const auto hot{on.heatmap(filter)->rows.size()};
    QCOMPARE(hot, std::size_t{6});
    filter.rows.hide_cold = false;
    QVERIFY(on.heatmap(filter)->rows.size() > 80);
    filter.rows.hide_cold = true;
    filter.rows.order = RowOrder::heat;
    const auto by_heat{on.heatmap(filter)->rows};
    QCOMPARE(by_heat.front(), vmcs::index_of(Field::guest_rip)); // read and written
    filter.rows.text = "681eh";
    QCOMPARE(on.heatmap(filter)->rows, std::vector{vmcs::index_of(Field::guest_rip)});
    filter.rows.text = "no such field";
    QVERIFY(on.heatmap(filter)->rows.empty());
}

void HeatmapTest::like_fields_lie_beside_each_other() {
    HeatmapMatrix matrix{Axis::reason, {{"a", "", 1, 1, {}}, {"b", "", 1, 2, {}}}, {}, true, false};
    matrix.cells.resize(vmcs::field_count * 2);
    // Even ones are used with the first reason, odd ones with the second.
    for (vmcs::FieldIndex i{0}; i < 8; ++i)
        matrix.at(i, i % 2).reads = 1;
    vmcs::FieldSet offered{};
    const auto rows{arrange_rows(matrix, offered, {RowOrder::alike, Accesses::both, true, {}})};
    QCOMPARE(rows.size(), std::size_t{8});
    int changes{0};
    for (std::size_t i{1}; i < rows.size(); ++i)
        changes += rows[i] % 2 != rows[i - 1] % 2;
    QCOMPARE(changes, 1);
}

void HeatmapTest::the_model_is_a_model() {
    Fixture on{};
    HeatmapModel model{};
    const QAbstractItemModelTester tester{&model, QAbstractItemModelTester::FailureReportingMode::QtTest};
    model.show(on.heatmap(), Accesses::both);
    QCOMPARE(model.rowCount(), 6);
    QCOMPARE(model.columnCount(), 2);
    QCOMPARE(model.image().size(), QSize(2, 6));
    const int rip{model.row_of(vmcs::index_of(Field::guest_rip))};
    QCOMPARE(model.index(rip, 0).data(Qt::AccessibleTextRole).toString(),
             "guest_rip, I/O instruction: 2 accesses per round trip");
    QCOMPARE(model.image().pixelColor(0, rip), model.scale().at(1));
    model.show(nullptr, Accesses::both);
    QCOMPARE(model.rowCount(), 0);
    RecordingsModel recordings{};
    const QAbstractItemModelTester of_list{&recordings,
                                           QAbstractItemModelTester::FailureReportingMode::QtTest};
    const auto contents{on.source.list(on.file)};
    QVERIFY(contents.ok());
    recordings.set_file(contents.value());
    recordings.set_file(contents.value());
    QCOMPARE(recordings.rowCount(), 1);
    QCOMPARE(recordings.row_of({on.file, 0}), 0);
    QCOMPARE(recordings.row_of({"other", 0}), -1);
}

void HeatmapTest::tooltips_tell_all() {
    Fixture on{db::Mode::sample};
    const HeatmapPtr heatmap{on.heatmap()};
    const QString text{cell_tooltip(*heatmap, vmcs::index_of(Field::guest_rip), 0, test::tuned_profile())};
    for (const char* const part : {"Guest RIP", "681EH", "guest state, natural", "95 %", "KVM's list", "Xen",
                                   "reads and writes shadowed", "Vol. 3D, B.4.3"}) {
        QVERIFY2(text.contains(part), part);
    }
    QVERIFY(field_tooltip(vmcs::index_of(Field::guest_es_selector), {}).contains("B.1.2"));
    QCOMPARE(rate_text(0.00054), "0.00054");
    QCOMPARE(rate_text(0.99999), "1");
    QCOMPARE(grouped(1234567), "1,234,567");
}

void HeatmapTest::csv_has_every_cell() {
    Fixture on{};
    HeatmapModel model{};
    model.show(on.heatmap(), Accesses::reads);
    const QStringList lines{model.as_csv().split('\n', Qt::SkipEmptyParts)};
    QCOMPARE(lines.size(), 7);
    QCOMPARE(lines[0], "field,encoding,\"I/O instruction\",\"CPUID\"");
    QVERIFY(lines.contains("guest_rip,681EH,1.000000,1.000000"));
}

void HeatmapTest::the_loader_answers_the_newest() {
    Fixture on{};
    Loader loader{};
    QSignalSpy heatmaps{&loader, &Loader::heatmap_ready};
    QSignalSpy idle{&loader, &Loader::idle};
    Filter filter{};
    for (const RowOrder order : {RowOrder::heat, RowOrder::alike, RowOrder::catalogue}) {
        filter.rows.order = order;
        loader.heatmap({{on.file, 0}, filter, {}});
    }
    QTRY_VERIFY(!loader.is_busy());
    QTRY_VERIFY(idle.count() >= 1);
    const auto last{heatmaps.last().first().value<HeatmapPtr>()};
    QCOMPARE(last->rows, on.heatmap(filter)->rows);
}

void HeatmapTest::bad_files_are_refused_in_words() {
    Fixture on{};
    RecordingSource source{};
    const auto words{[&](const std::string& file) {
        const auto contents{source.list(file)};
        if (contents) {
            const auto read{source.read({file, 0}, {})};
            return read ? QString{} : QString::fromStdString(read.error().message);
        }
        return QString::fromStdString(contents.error().message);
    }};
    QVERIFY(words((on.folder / "none.db").string()).contains("no such file"));
    QVERIFY(words(on.folder.path().string()).contains("is a folder"));
    const std::string other{(on.folder / "other.db").string()};
    std::ofstream{other} << "<html>a page, no recording</html>";
    QVERIFY(words(other).contains("is no recording"));
    const std::string empty{(on.folder / "empty.db").string()};
    std::ofstream{empty}.flush();
    QVERIFY(words(empty).contains("empty"));
    // Cut at any place.
    std::filesystem::remove(on.file + "-wal");
    const auto size{std::filesystem::file_size(on.file)};
    for (std::uintmax_t keep{64}; keep < size; keep += size / 40) {
        const std::string cut{(on.folder / ("cut-" + std::to_string(keep) + ".db")).string()};
        std::filesystem::copy_file(on.file, cut);
        std::filesystem::resize_file(cut, keep);
        QVERIFY2(!words(cut).isEmpty(), qPrintable(QString::number(keep)));
    }
}

} // namespace shadowtune::gui
