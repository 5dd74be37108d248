#include "db/schema.hpp"
#include "gui/view/bitmap_page.hpp"
#include "gui/view/compare_page.hpp"
#include "gui/view/exports.hpp"
#include "gui/view/heatmap_page.hpp"
#include "gui/view/message_bar.hpp"
#include "gui/view/timeline_view.hpp"
#include "lab/zoo.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"
#include "tests/gui/window_fixture.hpp"

#include <QDir>
#include <QFile>
#include <QImage>
#include <QScrollBar>
#include <QtEndian>
#include <ctime>
#include <fstream>

namespace shadowtune::gui {

namespace {

constexpr double least_frames_per_second{30};
constexpr double most_first_heatmap_seconds{1};
constexpr long most_memory_kib{300 * 1024};
constexpr double mebi{1024 * 1024};

// Of this process, in KiB: proc(5).
[[nodiscard]] long peak_memory_kib() {
    std::ifstream status{"/proc/self/status"};
    for (std::string word{}; status >> word;) {
        long value{0};
        if (word == "VmHWM:" && status >> value) return value;
    }
    return 0;
}

// Of all threads of this process since its start: what a busy machine gives to others is not in it.
[[nodiscard]] double processor_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Processor time of whole pictures of the view, while panning and zooming.
struct FrameTimes {
    double mean{0};
    double longest{0};
};
[[nodiscard]] FrameTimes frame_times(HeatmapView& view) {
    constexpr int frames{120};
    FrameTimes times{};
    for (int i{0}; i < frames; ++i) {
        const double before{processor_seconds()};
        view.verticalScrollBar()->setValue(i * 7 % std::max(view.verticalScrollBar()->maximum(), 1));
        view.horizontalScrollBar()->setValue(i * 11 % std::max(view.horizontalScrollBar()->maximum(), 1));
        if (i % 10 == 5) view.zoom(i % 20 == 5 ? 1.3 : 0.7, view.viewport()->rect().center());
        static_cast<void>(view.grab());
        const double took{processor_seconds() - before};
        times.mean += took / frames;
        times.longest = std::max(times.longest, took);
    }
    return times;
}

// tests/gui/CMakeLists.txt unpacks it.
[[nodiscard]] QString recording_of(const std::string& member) {
    return QString{ZOO_RECORDINGS "/%1.db"}.arg(member.c_str());
}

[[nodiscard]] std::vector<std::string> zoo_members() {
    std::vector<std::string> names{};
    for (const lab::ZooMember& member : lab::parse_zoo(lab::zoo_table))
        names.push_back(member.name);
    return names;
}

} // namespace

void TourTest::recordings_are_of_this_schema_data() {
    QTest::addColumn<QString>("file");
    for (const std::string& member : zoo_members())
        QTest::newRow(member.c_str()) << recording_of(member);
}

// The tour shows what today's recorder writes, not what is brought forward from an older file.
void TourTest::recordings_are_of_this_schema() {
    QFETCH(QString, file);
    QFile recording{file};
    QVERIFY2(recording.open(QIODevice::ReadOnly), "there is none: run scripts/make-zoo-recordings");
    // user_version: SQLite's file format, 1.3.
    QVERIFY(recording.seek(60));
    const auto version{qFromBigEndian<quint32>(recording.read(sizeof(quint32)).constData())};
    QVERIFY2(version == db::schema_version(), "of another schema: run scripts/make-zoo-recordings");
}

void TourTest::open_sort_filter_brush_toggle_undo_export_data() {
    QTest::addColumn<QString>("file");
    QTest::addColumn<QString>("other"); // to compare it with
    QTest::newRow("trap") << "trap"
                          << "";
    QTest::newRow("two vCPUs") << "two"
                               << "";
    QTest::newRow("sample") << "sample"
                            << "";
    QTest::newRow("tuned") << "tuned"
                           << "";
    for (const std::string& member : zoo_members())
        QTest::newRow(member.c_str())
            << recording_of(member) << recording_of(member == "xen-4.17" ? "bitvisor" : "xen-4.17");
    const QDir folder{qEnvironmentVariable("RECORDINGS")};
    if (qEnvironmentVariableIsEmpty("RECORDINGS")) return;
    for (const QString& name : folder.entryList({"*.db"}, QDir::Files))
        QTest::newRow(qPrintable(name)) << folder.filePath(name) << "";
}

void TourTest::open_sort_filter_brush_toggle_undo_export() {
    QFETCH(QString, file);
    QFETCH(const QString, other);
    const test::TemporaryFolder folder{};
    const auto scratch{[&](const char* name) { return (folder / name).string(); }};
    if (!file.contains('/')) {
        const QString kind{file};
        file = QString::fromStdString(scratch("a.db"));
        if (kind == "two") {
            test::write_sample_of_two(file.toStdString());
        } else {
            test::write_sample(file.toStdString(), kind == "trap"    ? db::Mode::trap
                                                   : kind == "tuned" ? db::Mode::tuned
                                                                     : db::Mode::sample);
        }
    }
    MainWindow window{Options{}};
    window.show();
    window.open(file, 1);
    QVERIFY(settles(window));
    QCOMPARE(window.messages().words(), QString{});
    HeatmapModel& map{window.heatmap()};
    QVERIFY(map.rowCount() > 0 && map.columnCount() > 0);
    QVERIFY(window.first_heatmap_ms() >= 0);

    const auto change{[&](const auto& edit) {
        window.filter().change("tour", edit);
        return settles(window);
    }};
    for (const RowOrder order : {RowOrder::heat, RowOrder::alike, RowOrder::catalogue})
        QVERIFY(change([order](Filter& filter) { filter.rows.order = order; }));
    for (const Axis axis : {Axis::time, Axis::recording, Axis::l1, Axis::workload, Axis::reason}) {
        QVERIFY(change([axis](Filter& filter) { filter.axis = axis; }));
        QVERIFY(map.columnCount() > 0);
    }
    const int rows{map.rowCount()};
    QVERIFY(change([](Filter& filter) { filter.rows.text = "exit_reason"; }));
    QVERIFY(map.rowCount() <= 1);
    window.undo_stack().undo();
    QVERIFY(settles(window));
    QCOMPARE(map.rowCount(), rows);

    const auto whole{map.data()->recording->totals.range};
    window.timeline().brush(0, 0);
    QVERIFY(settles(window));
    QVERIFY(map.data()->recording->totals.range.to <= whole.to);
    QVERIFY(window.filter().filter().range.has_value());
    window.undo_stack().undo();
    QVERIFY(settles(window));
    QCOMPARE(map.data()->recording->totals.range.to, whole.to);

    HeatmapView& view{window.heatmap_page().view()};
    view.setFocus();
    view.setCurrentIndex(map.index(0, 0));
    const vmcs::ShadowSets before{window.document().sets()};
    QTest::keyClick(&view, Qt::Key_R);
    QVERIFY(window.document().sets().read.test(map.field(0)));
    window.undo_stack().undo();
    QVERIFY(window.document().sets() == before);

    for (const char* const name : {"map.png", "map.svg", "map.csv"}) {
        const auto written{window.heatmap_page().export_to(scratch(name))};
        QVERIFY2(written.ok(), name);
        QVERIFY(QFile{QString::fromStdString(scratch(name))}.size() > 40);
    }
    QVERIFY(!QImage{QString::fromStdString(scratch("map.png"))}.isNull());
    QVERIFY(!window.heatmap_page().export_to(scratch("map.doc")).ok());
    QVERIFY(!window.heatmap_page().export_to(scratch("no/such/map.png")).ok());
    window.show_view(View::bitmaps);
    QCOMPARE(window.bitmaps().as_csv().count('\n'),
             1 + static_cast<int>(vmcs::field_count + vmcs::high_half_count));
    QVERIFY(window.timeline().as_csv().count('\n') > 1);
    const auto bitmaps{exported_widget(window.bitmaps(), [&] { return window.bitmaps().as_csv(); })};
    QVERIFY(export_view(bitmaps, scratch("bitmaps.svg")).ok());
    QVERIFY(export_view(bitmaps, scratch("bitmaps.png")).ok());

    if (other.isEmpty()) return;
    window.open(other);
    QVERIFY(settles(window));
    window.show_view(View::compare);
    window.compare().compare(0, 1);
    QTRY_VERIFY_WITH_TIMEOUT(window.compare().words().contains("rates differ"), patience_ms);
    QVERIFY(window.compare().differences().rowCount() > 0);
}

void TourTest::compare_two() {
    const test::TemporaryFolder folder{};
    const auto first{QString::fromStdString((folder / "a.db").string())};
    const auto second{QString::fromStdString((folder / "b.db").string())};
    test::write_sample(first.toStdString());
    test::write_sample_of_two(second.toStdString());
    MainWindow window{Options{}};
    window.show();
    window.open(first);
    window.open(second);
    QVERIFY(settles(window));
    window.show_view(View::compare);
    QTRY_VERIFY_WITH_TIMEOUT(window.compare().words().contains("rates differ"), patience_ms);
    QVERIFY(window.compare().differences().rowCount() > 0);
    window.compare().compare(0, 0);
    QTRY_VERIFY_WITH_TIMEOUT(window.compare().words().startsWith("0 of"), patience_ms);
}

void TourTest::a_large_recording_is_quick() {
    const QString file{qEnvironmentVariable("LARGE_RECORDING")};
    if (file.isEmpty()) QSKIP("needs LARGE_RECORDING, a file of scripts/make-large-recording");
    MainWindow window{Options{}};
    window.show();
    const double before{processor_seconds()};
    window.open(file);
    QVERIFY(QTest::qWaitFor([&] { return window.first_heatmap_ms() >= 0; }, patience_ms));
    const double first{processor_seconds() - before};
    qInfo("%.0f MiB: first heatmap after %.2f s of processor time, %.2f s by the clock, %ld MiB",
          static_cast<double>(QFile{file}.size()) / mebi, first,
          static_cast<double>(window.first_heatmap_ms()) / 1'000, peak_memory_kib() / 1024);
    QVERIFY(QTest::qWaitFor([&] { return window.is_settled(); }, 10 * patience_ms));
    window.filter().change("tour", [](Filter& filter) {
        filter.axis = Axis::time;
        filter.rows.hide_cold = false;
    });
    QVERIFY(settles(window));
    const FrameTimes frames{frame_times(window.heatmap_page().view())};
    qInfo("%d rows, %d columns: %.0f frames a second of processor time, the longest %.1f ms; at most %ld MiB",
          window.heatmap().rowCount(), window.heatmap().columnCount(), 1 / frames.mean,
          frames.longest * 1'000, peak_memory_kib() / 1024);
    QVERIFY(first < most_first_heatmap_seconds);
    QVERIFY(1 / frames.longest > least_frames_per_second);
    QVERIFY(peak_memory_kib() < most_memory_kib);
}

} // namespace shadowtune::gui
