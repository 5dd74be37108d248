#include "gui/live/live_panel.hpp"
#include "gui/view/main_window.hpp"
#include "gui/view/message_bar.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"
#include "tests/link/host/fake_vmm.hpp"

#include <QTest>

namespace shadowtune::gui {

namespace {

using State = LiveSession::State;
constexpr int patience_ms{20'000};

// The fake VMM counts for other reasons than that of its round trips.
[[nodiscard]] Options with_cold_fields() {
    Options options{};
    options.filter.rows.hide_cold = false;
    return options;
}

struct Fixture {
    Fixture() { fake.listen_unix(socket); }

    test::TemporaryFolder folder;
    std::string socket{(folder / "link").string()};
    link::test::FakeVmm fake{{}};
    MainWindow window{with_cold_fields()};

    [[nodiscard]] State state() { return window.live().state(); }
    void open() { window.open(QString::fromStdString(socket)); }
    [[nodiscard]] bool has_map() { return window.heatmap().data() != nullptr; }
};

} // namespace

void LiveTest::a_vmm_is_watched_and_tuned() {
    Fixture on{};
    on.open();
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::connected, patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(on.has_map(), patience_ms);
    const auto first{on.window.heatmap().data()->recording->info.snapshots};
    // It fills.
    QTRY_VERIFY_WITH_TIMEOUT(on.window.heatmap().data()->recording->info.snapshots > first, patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(on.window.document().can_predict(), patience_ms);
    // The fake processor has no fields: no profile but the empty one is good there.
    on.window.document().toggle(vmcs::index_of(vmcs::Field::guest_rip), false);
    on.window.live().apply_profile();
    QVERIFY(on.window.messages().words().contains("guest_rip: the L1 is not offered this field"));
    on.window.undo_stack().undo();
    const auto before{on.fake.generation()};
    on.window.live().apply_profile();
    QTRY_VERIFY_WITH_TIMEOUT(on.fake.generation() > before, patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(on.window.messages().words().contains("in force"), patience_ms);
    QCOMPARE(on.fake.mode(), link::Mode::tuned);
    on.window.live().session().set_mode(link::Mode::trap);
    QTRY_COMPARE_WITH_TIMEOUT(on.fake.mode(), link::Mode::trap, patience_ms);
    on.window.live().stop_all();
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::idle, patience_ms);
    QVERIFY(on.has_map());
}

void LiveTest::a_lost_link_loses_nothing() {
    Fixture on{};
    on.open();
    QTRY_VERIFY_WITH_TIMEOUT(on.has_map(), patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::connected, patience_ms);
    on.fake.stop();
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::lost, patience_ms);
    QVERIFY(on.has_map());
    QVERIFY(on.window.heatmap().rowCount() > 0);
    on.window.live().stop_all();
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::idle, patience_ms);
    QVERIFY(on.window.heatmap().rowCount() > 0);
}

void LiveTest::a_bad_address_is_told() {
    MainWindow window{Options{}};
    window.live().connect_to("tcp:nowhere");
    QTRY_VERIFY_WITH_TIMEOUT(!window.messages().words().isEmpty(), patience_ms);
    QVERIFY(window.messages().words().contains("tcp:nowhere"));
    QTRY_VERIFY_WITH_TIMEOUT(window.live().state() == State::idle, patience_ms);
}

void LiveTest::the_zoos_list_is_read() {
    const auto zoo{parse_zoo_list("name,ready,what\nlinux,1,\"Linux, \"\"6.1\"\"\"\nxen,0,Xen 4.17\n")};
    QCOMPARE(zoo.size(), 2);
    QCOMPARE(zoo[0].what, "Linux, \"6.1\"");
    QVERIFY(zoo[0].ready);
    QCOMPARE(zoo[1].name, "xen");
    QVERIFY(!zoo[1].ready);
}

void LiveTest::a_lab_run_is_watched_and_tuned() {
    const QString member{qEnvironmentVariable("LAB_MEMBER")};
    if (member.isEmpty()) QSKIP("needs LAB_MEMBER, a member of the zoo");
    constexpr int boot_ms{300'000};
    MainWindow window{Options{}};
    window.show();
    // A loop that goes on until it is stopped: what the member does by itself may be over too soon.
    window.live().run_in_lab(member, {"--ips", "50000000", "--timeout", "600", "--type", "steady 1000000"});
    QTRY_VERIFY_WITH_TIMEOUT(window.heatmap().data() != nullptr, boot_ms);
    QTRY_VERIFY_WITH_TIMEOUT(window.heatmap().data()->recording->totals.counters.round_trips > 1'000,
                             boot_ms);
    const double trapped{window.heatmap().data()->recording->totals.trapped_per_round_trip()};
    QVERIFY(trapped > 1);
    window.document().take_optimum();
    window.live().apply_profile();
    QTRY_VERIFY_WITH_TIMEOUT(window.messages().words().contains("in force"), boot_ms);
    const auto snapshots{window.heatmap().data()->recording->info.snapshots};
    // Exits fall: what is brushed from here on hardly traps.
    QTRY_VERIFY_WITH_TIMEOUT(window.heatmap().data()->recording->info.snapshots > snapshots + 5, boot_ms);
    const auto newest{window.heatmap().data()->recording->info.snapshots};
    window.filter().change("brush", [&](Filter& filter) {
        filter.range = db::SnapshotRange{snapshots + 2, newest};
    });
    QTRY_COMPARE_WITH_TIMEOUT(window.heatmap().data()->recording->totals.range.from, snapshots + 2,
                              patience_ms);
    const db::Totals& after{window.heatmap().data()->recording->totals};
    qInfo("trapped accesses per round trip: %.4f before, %.4f after", trapped,
          after.trapped_per_round_trip());
    QVERIFY(after.trapped_per_round_trip() < trapped / 10);
    window.live().stop_all();
}

} // namespace shadowtune::gui
