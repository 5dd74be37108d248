#include "gui/model/loader.hpp"
#include "gui/view/bitmap_page.hpp"
#include "gui/view/decisions_view.hpp"
#include "gui/view/heatmap_page.hpp"
#include "gui/view/message_bar.hpp"
#include "gui/view/timeline_view.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"
#include "tests/gui/window_fixture.hpp"

#include <QApplication>
#include <QHelpEvent>
#include <QToolTip>
#include <QUndoStack>
#include <fstream>
#include <limits>
#include <random>

namespace shadowtune::gui {

namespace {

// SQLite's file format, 1.3.
constexpr std::size_t sqlite_header{100};
constexpr int user_version_place{60};

} // namespace

void WindowTest::every_command_is_in_the_palette() {
    const MainWindow window{Options{}};
    const auto commands{commands_of(window)};
    QVERIFY(commands.size() > 25);
    QVERIFY(command(window, "Apply the profile") != nullptr);
    const QString keys{keys_as_html(commands)};
    for (const char* const part : {"Ctrl+Shift+P", "Ctrl+O", "Command palette", "Timeline: move the brush"})
        QVERIFY2(keys.contains(part), part);
    // No key does two things.
    QStringList taken{};
    for (const QAction* const action : commands) {
        const QString key{action->shortcut().toString()};
        if (key.isEmpty()) continue;
        QVERIFY2(!taken.contains(key), qPrintable(key));
        taken << key;
    }
}

void WindowTest::keys_alone_are_enough() {
    SampleWindow sample{};
    MainWindow& window{sample.window};
    QVERIFY(settles(window));
    HeatmapView& view{window.heatmap_page().view()};
    view.setFocus();
    view.setCurrentIndex(window.heatmap().index(0, 0));
    QTest::keyClick(&view, Qt::Key_Down);
    QCOMPARE(view.currentIndex().row(), 1);
    const int size{view.cell().height()};
    QTest::keyClick(&view, Qt::Key_Plus);
    QVERIFY(view.cell().height() > size);
    QTest::keyClick(&view, Qt::Key_W);
    QVERIFY(window.document().sets().write.test(window.heatmap().field(1)));
    QTest::keyClick(&window.timeline(), Qt::Key_Right, Qt::ShiftModifier);
    QVERIFY(window.filter().filter().range.has_value());
    QTest::keyClick(&window.timeline(), Qt::Key_Escape);
    QVERIFY(!window.filter().filter().range);
    BitmapView& bitmap{window.bitmaps().reads()};
    QTest::keyClick(&bitmap, Qt::Key_Right);
    QVERIFY(settles(window));
}

void WindowTest::trouble_is_told_in_place() {
    const test::TemporaryFolder folder{};
    const std::string file{(folder / "page.db").string()};
    std::ofstream{file} << "no recording at all, but longer than SQLite's mark";
    MainWindow window{Options{}};
    window.show();
    window.open(QString::fromStdString(file));
    QVERIFY(settles(window));
    QVERIFY(window.messages().words().contains("is no recording"));
    const std::string good{(folder / "a.db").string()};
    test::write_sample(good);
    window.open(QString::fromStdString(good), 7);
    QVERIFY(settles(window));
    QVERIFY(window.messages().words().contains("no recording 7"));
    const std::string profile{(folder / "p.json").string()};
    std::ofstream{profile} << "{ \"schema\": ";
    window.open(QString::fromStdString(profile));
    QVERIFY(window.messages().words().contains("p.json"));
    std::filesystem::permissions(good, std::filesystem::perms::owner_read);
    window.open(QString::fromStdString(good));
    QVERIFY(settles(window));
    QVERIFY(window.heatmap().rowCount() > 0);
}

void WindowTest::a_newer_recording_is_refused() {
    const test::TemporaryFolder folder{};
    const std::string file{(folder / "newer.db").string()};
    std::filesystem::copy_file(ZOO_RECORDINGS "/linux-6.1.db", file);
    std::fstream{file, std::ios::in | std::ios::out}.seekp(user_version_place).write("\0\0\1\0", 4);
    MainWindow window{Options{}};
    window.show();
    window.open(QString::fromStdString(file));
    QVERIFY(settles(window));
    QVERIFY(window.messages().words().contains("newer shadowtune"));
}

// Whatever a disk has made of it: it is shown, or refused in words.
void WindowTest::a_damaged_recording_is_no_crash() {
    const test::TemporaryFolder folder{};
    std::ifstream whole{ZOO_RECORDINGS "/linux-6.1.db", std::ios::binary};
    const std::string good{std::istreambuf_iterator<char>{whole}, {}};
    QVERIFY(good.size() > 2 * sqlite_header);
    std::mt19937 random{1};
    unsigned refused{0};
    for (int i{0}; i < 150; ++i) {
        std::string bad{good};
        for (int byte{0}; byte < 1 << i % 9; ++byte)
            bad[sqlite_header + random() % (bad.size() - sqlite_header)] = static_cast<char>(random());
        const std::string file{(folder / "bad.db").string()};
        std::ofstream{file, std::ios::binary} << bad;
        RecordingSource source{};
        const auto contents{source.list(file)};
        bool told{!contents.ok()};
        for (const Axis axis : {Axis::reason, Axis::time, Axis::recording}) {
            HeatmapRequest request{{file, 0}, {}, {{file, 0}}};
            request.filter.axis = axis;
            told = !source.heatmap(request).ok() || told;
        }
        refused += told;
    }
    qInfo("%u of 150 were refused", refused);
    QVERIFY(refused > 10);
}

void WindowTest::wild_figures_are_no_crash_data() {
    QTest::addColumn<QString>("edit");
    for (const char* const edit :
         {"UPDATE machine SET vcpus = 2000000000",
          "UPDATE machine SET vcpus = 0",
          "UPDATE OR IGNORE snapshot_vcpu SET vcpu = 70000",
          "UPDATE OR IGNORE snapshot_vcpu SET vcpu = -1",
          "UPDATE snapshot_vcpu SET round_trips = -5",
          "UPDATE snapshot_vcpu SET generation = -1",
          "UPDATE snapshot_vcpu SET mode = 'sample'",
          "DELETE FROM snapshot_vcpu",
          "UPDATE OR IGNORE access_count SET encoding = -2",
          "UPDATE OR IGNORE access_count SET reason = 300",
          "UPDATE OR IGNORE access_count SET vcpu = 9",
          "UPDATE access_count SET count = -count",
          "UPDATE access_count SET count = 9223372036854775807",
          "UPDATE access_count SET in_memory = -1",
          "UPDATE round_trip_count SET count = 0",
          "UPDATE OR IGNORE round_trip_count SET reason = -1",
          "UPDATE snapshot SET at_ms = -at_ms * 1000000",
          "UPDATE snapshot SET at_ms = 0",
          "UPDATE snapshot SET complete = 1",
          "DELETE FROM snapshot WHERE sequence = 3",
          "UPDATE snapshot SET sequence = sequence + 4294967290",
          "DELETE FROM generation",
          "UPDATE generation SET mode = 'tuned'",
          "DELETE FROM machine_field",
          "DELETE FROM machine",
          "DELETE FROM recording",
          "UPDATE recording SET started_ms = 9223372036854775807",
          "UPDATE OR IGNORE capability_msr SET msr = -1",
          "INSERT INTO decision VALUES (1, 1, -1, -1, -1, -1, 'retune', -1, -1e300, 1e300, '', '')"})
        QTest::newRow(edit) << edit;
}

void WindowTest::wild_figures_are_no_crash() {
    QFETCH(const QString, edit);
    const test::TemporaryFolder folder{};
    const std::string file{(folder / "wild.db").string()};
    std::filesystem::copy_file(ZOO_RECORDINGS "/linux-6.1.db", file);
    {
        auto database{db::Database::open(file, db::OpenMode::append)};
        QVERIFY(database.ok());
        const auto edited{
            database.value().connection().execute("PRAGMA foreign_keys = OFF;" + edit.toStdString())};
        QVERIFY2(edited.ok(), edited ? "" : edited.error().message.c_str());
    }
    MainWindow window{Options{}};
    window.show();
    window.open(QString::fromStdString(file));
    QVERIFY(settles(window));
    for (const Axis axis : {Axis::time, Axis::l1}) {
        window.filter().change("tour", [axis](Filter& filter) { filter.axis = axis; });
        QVERIFY(settles(window));
        static_cast<void>(window.grab());
    }
    QVERIFY(!window.messages().words().isEmpty() || window.heatmap().data() != nullptr);
}

void WindowTest::a_recording_that_grows_is_followed() {
    const test::TemporaryFolder folder{};
    const std::string file{(folder / "a.db").string()};
    auto database{db::Database::open(file, db::OpenMode::append)};
    QVERIFY(database.ok());
    auto writer{
        db::RecordingWriter::begin(database.value(), test::sample_machine(), test::sample_labels(), 1)};
    QVERIFY(writer.ok());
    MainWindow window{Options{}};
    window.show();
    window.open(QString::fromStdString(file));
    QVERIFY(settles(window));
    QCOMPARE(window.messages().words(), QString{}); // no snapshot yet is no error
    for (const std::uint64_t rounds : {10U, 20U, 110U})
        QVERIFY(writer.value().add_snapshot(test::sample_snapshot(rounds)).ok());
    QTRY_VERIFY_WITH_TIMEOUT(window.heatmap().rowCount() > 0, patience_ms);
    QTRY_COMPARE_WITH_TIMEOUT(window.heatmap().data()->recording->info.snapshots, 3U, patience_ms);
    QCOMPARE(window.recordings().index(0, RecordingsModel::snapshots_column).data().toUInt(), 3U);
}

void WindowTest::decisions_are_shown() {
    const test::TemporaryFolder folder{};
    const std::string file{(folder / "a.db").string()};
    test::write_sample(file);
    MainWindow window{Options{}};
    QVERIFY(window.decisions().empty_words().contains("Open a recording"));
    window.show();
    window.open(QString::fromStdString(file));
    QVERIFY(settles(window));
    QVERIFY(window.decisions().empty_words().startsWith("No decisions"));
    QCOMPARE(window.decisions().model().rowCount(), 0);
    auto database{db::Database::open(file, db::OpenMode::append)};
    QVERIFY(database.ok());
    const auto field{vmcs::index_of(vmcs::Field::guest_rip)};
    db::Decision decision{1'000, 2, 1'100, 1'000, "gather", 1, 2.5, 0, "cycles", "too few round trips", {}};
    QVERIFY(db::add_decision(database.value(), 1, decision).ok());
    decision.action = "retune";
    decision.changes = {{field, "-", "R", {1, 0.9, std::numeric_limits<double>::infinity()}, {0, 0, 0.01}}};
    QVERIFY(db::add_decision(database.value(), 1, decision).ok());
    window.open(QString::fromStdString(file));
    QVERIFY(settles(window));
    const QAbstractItemModel& model{window.decisions().model()};
    QCOMPARE(window.decisions().empty_words(), QString{});
    QCOMPARE(model.rowCount(), 2);
    QCOMPARE(model.index(1, DecisionsView::action_column).data().toString(), "retune");
    const QModelIndex retuned{model.index(1, 0)};
    QCOMPARE(model.rowCount(retuned), 1);
    QCOMPARE(model.index(0, 0, retuned).data().toString(), "guest_rip");
    QCOMPARE(model.index(0, DecisionsView::action_column, retuned).data().toString(), "- → R");
    QVERIFY(model.index(0, DecisionsView::why_column, retuned).data().toString().contains("∞"));
}

void WindowTest::decisions_are_marked_on_the_timeline() {
    QUndoStack undo{};
    FilterState filter{undo};
    TimelineView view{filter};
    view.resize(600, 150);
    TimelineData data{};
    for (const std::uint32_t snapshot : {1U, 2U, 3U, 4U}) {
        data.moments.push_back({});
        data.moments.back().sequence = snapshot;
        data.moments.back().at_ms = 10'000 * snapshot;
        if (snapshot != 1) data.steps.push_back({{snapshot - 1, snapshot}, 100, {}, {}});
    }
    const auto shown{[&] {
        view.show_timeline(std::make_shared<const TimelineData>(data));
        return view.grab().toImage();
    }};
    const QImage without{shown()};
    // Before the recording began, in its middle step, and behind its end.
    for (const auto& [at_ms, action] :
         {std::pair{1'000, "start"}, std::pair{25'000, "retune"}, std::pair{90'000, "keep"}})
        data.decisions.push_back({at_ms, 2, 0, 0, action, 1, 0, 0, "cycles", "since <5 % trap", {}});
    const QImage with{shown()};
    const auto changed_in_third{[&](int third) {
        for (int x{third * with.width() / 3}; x < (third + 1) * with.width() / 3; ++x) {
            for (int y{0}; y < with.height(); ++y) {
                if (with.pixel(x, y) != without.pixel(x, y)) return true;
            }
        }
        return false;
    }};
    const QStringList lines{view.as_csv().split('\n')};
    for (const auto& [step, action] : {std::pair{0, "start"}, std::pair{1, "retune"}, std::pair{2, "keep"}}) {
        QVERIFY2(changed_in_third(step), action);
        QVERIFY2(lines[step + 1].endsWith(QString{","} + action), qPrintable(lines[step + 1]));
        const QPoint place{100 + 200 * step, 75};
        QHelpEvent ask{QEvent::ToolTip, place, view.mapToGlobal(place)};
        QVERIFY(QApplication::sendEvent(&view, &ask));
        QVERIFY2(QToolTip::text().contains(QString{"<b>%1</b>: since &lt;5 % trap"}.arg(action)), action);
    }
}

} // namespace shadowtune::gui
