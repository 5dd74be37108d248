#include "gui/options.hpp"
#include "gui/view/bitmap_page.hpp"
#include "gui/view/exports.hpp"
#include "gui/view/heatmap_page.hpp"
#include "gui/view/message_bar.hpp"
#include "gui/view/profile_editor.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"
#include "tests/gui/window_fixture.hpp"

#include <QClipboard>
#include <QGuiApplication>

namespace shadowtune::gui {

namespace {

[[nodiscard]] ParsedOptions parsed(std::vector<std::string> words) {
    words.insert(words.begin(), "shadowtune-gui");
    std::vector<char*> pointers{};
    for (std::string& word : words)
        pointers.push_back(word.data());
    return parse_options(static_cast<int>(pointers.size()), pointers.data());
}

} // namespace

void HabitsTest::the_command_line_is_read() {
    const ParsedOptions good{parsed({"a.db", "--sort", "Heat", "--view", "compare", "--theme", "dark"})};
    QVERIFY(good.go_on);
    QCOMPARE(good.options.filter.rows.order, RowOrder::heat);
    QCOMPARE(good.options.view, View::compare);
    QCOMPARE(good.options.theme, Theme::dark);
    const ParsedOptions bad{parsed({"--sort", "nonsense"})};
    QVERIFY(!bad.go_on);
    QCOMPARE(bad.exit_code, 2);
    QCOMPARE(parsed({"--help"}).exit_code, 0);
}

void HabitsTest::what_is_shown_is_copied() {
    SampleWindow sample{};
    MainWindow& window{sample.window};
    QVERIFY(settles(window));
    const auto copied{[&](const char* name) {
        QGuiApplication::clipboard()->clear();
        command(window, name)->trigger();
        return QGuiApplication::clipboard()->text();
    }};
    QCOMPARE(copied("Copy this view as CSV"), window.heatmap().as_csv());
    QVERIFY(copied("Copy the cell as text").isEmpty());
    QVERIFY(window.messages().words().contains("No cell is picked"));
    window.heatmap_page().view().setCurrentIndex(window.heatmap().index(0, 0));
    QVERIFY(copied("Copy the cell as text").contains("accesses per round trip"));
    window.show_view(View::bitmaps);
    QCOMPARE(copied("Copy this view as CSV"), window.bitmaps().as_csv());
    window.show_view(View::compare);
    QVERIFY(copied("Copy this view as CSV").startsWith("Field,Access,First,Second"));
}

void HabitsTest::trees_are_tables_too() {
    SampleWindow sample{};
    MainWindow& window{sample.window};
    QVERIFY(settles(window));
    window.document().toggle(vmcs::index_of(vmcs::Field::guest_rip), false);
    const QString csv{window.findChild<ProfileEditor*>()->as_csv()};
    QVERIFY(csv.startsWith("Field,R,W,Reads,Writes,Gain\n"));
    QVERIFY2(csv.contains("\nguest_rip,1,0,1,1,"), qPrintable(csv));
    QVERIFY(csv.contains("\nexit_reason,0,0,1,,"));
}

void HabitsTest::cold_fields_are_left_out_of_the_profile_too() {
    SampleWindow sample{};
    MainWindow& window{sample.window};
    QVERIFY(settles(window));
    const auto& editor{*window.findChild<ProfileEditor*>()};
    QAction* const hide_cold{command(window, "Hide cold")};
    QVERIFY2(hide_cold != nullptr, "it is in the palette");
    const auto accessed{vmcs::index_of(vmcs::Field::exit_reason)};
    const auto cold{vmcs::index_of(vmcs::Field::guest_ldtr_base)};
    QVERIFY(editor.shows(accessed));
    QVERIFY(!editor.shows(cold));
    window.document().toggle(cold, false);
    QVERIFY2(editor.shows(cold), "in the profile it is not cold");
    window.document().toggle(cold, false);
    QVERIFY2(editor.shows(cold), "what is unchecked does not go away under the pointer");
    hide_cold->trigger();
    QVERIFY(editor.shows(vmcs::index_of(vmcs::Field::guest_tr_base)));
    hide_cold->trigger();
    QVERIFY(!editor.shows(cold));
    QVERIFY(editor.shows(accessed));
}

void HabitsTest::two_profiles_are_compared() {
    const test::TemporaryFolder folder{};
    const auto path{[&](const char* name) { return QString::fromStdString((folder / name).string()); }};
    MainWindow window{Options{}};
    for (const auto& [name, field] : {std::pair{"first.json", vmcs::Field::guest_rip},
                                      std::pair{"second.json", vmcs::Field::guest_rsp}}) {
        vmcs::ShadowSets sets{};
        sets.read.set(field);
        sets.read.set(vmcs::Field::exit_reason);
        window.document().set_sets(sets, name);
        QVERIFY(window.document().save(path(name).toStdString()).ok());
    }
    window.open(path("first.json"));
    window.open(path("second.json"));
    window.open(path("first.json")); // not listed twice
    QCOMPARE(window.document().opened().size(), std::size_t{2});
    window.bitmaps().compare("first (first.json)", "second (second.json)");
    QStringList differing{};
    for (const QString& line : window.bitmaps().as_csv().split('\n')) {
        const QStringList cells{line.split(',')};
        if (cells.size() == 6 && cells[2] != cells[4] && cells[1] != "field") differing << cells[1];
    }
    QCOMPARE(differing, (QStringList{"guest_rsp", "guest_rip"}));
}

// At twice the scale a line of one pixel is two of the device's, and nothing of the cell shows beside it.
void HabitsTest::the_grid_is_crisp_at_twice_the_scale() {
    SampleWindow sample{};
    MainWindow& window{sample.window};
    QVERIFY(settles(window));
    HeatmapView& view{window.heatmap_page().view()};
    QImage image{view.viewport()->size() * 2, QImage::Format_ARGB32_Premultiplied};
    image.setDevicePixelRatio(2);
    view.viewport()->render(&image);
    const QModelIndex hot{
        window.heatmap().index(window.heatmap().row_of(vmcs::index_of(vmcs::Field::guest_rip)), 0)};
    const QRect cell{view.visualRect(hot)};
    const QColor base{view.palette().color(QPalette::Base)};
    const int middle{2 * cell.center().y() - 6}; // above the figures
    QVERIFY(image.pixelColor(2 * cell.left() + 4, middle) != base);
    QVERIFY(image.pixelColor(2 * cell.right() - 1, middle) != base);
    QCOMPARE(image.pixelColor(2 * cell.right(), middle), base);
    QCOMPARE(image.pixelColor(2 * cell.right() + 1, middle), base);
}

void HabitsTest::commands_to_nobody_say_how_to_connect() {
    MainWindow window{Options{}};
    for (const char* const name : {"Count all accesses", "Sample one of", "Apply the profile"}) {
        window.messages().show_note("");
        command(window, name)->trigger();
        QVERIFY2(window.messages().words().contains("No VMM is connected"), name);
    }
}

} // namespace shadowtune::gui
