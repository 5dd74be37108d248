#include "gui/live/live_panel.hpp"
#include "gui/view/main_window.hpp"
#include "gui/view/message_bar.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"
#include "tests/link/host/fake_vmm.hpp"

#include <QTest>
#include <cmath>
#include <limits>

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
    explicit Fixture(const link::test::FakeOptions& options = {}) : fake{options} {
        fake.listen_unix(socket);
    }

    test::TemporaryFolder folder;
    std::string socket{(folder / "link").string()};
    link::test::FakeVmm fake;
    MainWindow window{with_cold_fields()};

    [[nodiscard]] State state() { return window.live().state(); }
    void open() { window.open(QString::fromStdString(socket)); }
    [[nodiscard]] bool has_map() { return window.heatmap().data() != nullptr; }
};

constexpr int lab_patience_ms{400'000};

// A loop that goes on until it is stopped: what a member does by itself may be over too soon.
[[nodiscard]] QStringList lab_words(const QString& member) {
    if (member != "micro-l1") return {member, "--type", "steady 100000000"};
    return {"--l1",          "multiboot:" + QCoreApplication::applicationDirPath() + "/micro-l1.elf",
            "--cmdline",     "script=trips seed=1 trips=1000000000 out=e9 wait=1",
            "--memory",      "128",
            "--ips",         "2000000",
            "--input-after", "READY",
            "--type",        "run"};
}

// What the window says, and the machine's console, where a test fails.
struct TroubleTold {
    explicit TroubleTold(MainWindow& told) : window{told} {}
    ~TroubleTold() {
        if (!QTest::currentTestFailed()) return;
        qInfo("the window says: %s\n%s", qPrintable(window.messages().words()),
              qPrintable(window.live().console().right(4'000)));
    }
    MainWindow& window;
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

// A snapshot takes longer than the time between two, and than a call is waited for at first.
void LiveTest::a_slow_vmm_is_tuned() {
    link::test::FakeOptions slow{};
    slow.per_byte = std::chrono::microseconds{400};
    Fixture on{slow};
    on.open();
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::connected, 3 * patience_ms);
    on.window.live().session().apply({});
    QTRY_VERIFY_WITH_TIMEOUT(on.window.messages().words().contains("accepted"), 3 * patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(on.window.messages().words().contains("in force"), 3 * patience_ms);
    QCOMPARE(on.fake.mode(), link::Mode::tuned);
}

void LiveTest::sampled_rates_come_with_intervals_data() {
    QTest::addColumn<bool>("own");
    QTest::newRow("profile of this session") << true;
    QTest::newRow("profile of somebody else") << false;
}

// Each second sampled round trip reads guest_rip twice, and one of 64 is sampled: one read per round trip,
// which nobody sees in the others.
void LiveTest::sampled_rates_come_with_intervals() {
    QFETCH(const bool, own);
    link::test::FakeOptions options{};
    options.sampled_each = 200;
    Fixture on{options};
    on.open();
    QTRY_VERIFY_WITH_TIMEOUT(on.state() == State::connected && on.has_map(), patience_ms);
    const auto field{vmcs::index_of(vmcs::Field::guest_rip)};
    tuner::Profile profile{};
    profile.name = "own";
    profile.sets.read.set(field);
    if (own) on.window.live().session().apply(profile);
    on.window.live().session().set_mode(link::Mode::sample, link::test::fake_sample_interval);
    const auto shown{[&] { return on.window.heatmap().data(); }};
    QTRY_VERIFY_WITH_TIMEOUT(shown()->recording->totals.sampled_round_trips >= 400, patience_ms);
    QVERIFY(on.window.live().words().contains("mode sample 1 in 64"));
    QVERIFY(on.window.live().words().contains("sampled)"));
    QCOMPARE(shown()->recording->knows_in_force(), own);
    QCOMPARE(shown()->recording->in_force().read.test(field), own);

    const auto check{[&](std::size_t column, std::uint64_t sampled) {
        const HeatmapPtr data{shown()};
        QVERIFY(data->matrix.complete && data->matrix.estimated);
        QCOMPARE(data->matrix.at(field, column).reads, 1.0);
        const auto interval{cell_interval(data->matrix, *data->recording, data->timeline.get(), field, column,
                                          db::Access::read)};
        QVERIFY(interval.has_value());
        // Deviations of 1 each: 1.96 standard errors, and a little less, for one of 64 is known.
        const double half{1.96 / std::sqrt(static_cast<double>(sampled))};
        QVERIFY(interval->low < 1 - 0.8 * half && interval->low > 1 - 1.2 * half);
        QVERIFY(interval->high > 1 + 0.8 * half && interval->high < 1 + 1.2 * half);
        for (const QString& words :
             {cell_tooltip(*data, field, column, {}), cell_words(*data, field, column, Accesses::both)})
            QVERIFY2(words.contains("95 %: " + rate_text(interval->low)), qPrintable(words));
    }};
    QCOMPARE(*shown()->matrix.columns[0].reason, link::test::fake_reason);
    check(0, shown()->recording->totals.sampled_round_trips);
    on.window.filter().change("time", [](Filter& filter) { filter.axis = Axis::time; });
    QTRY_VERIFY_WITH_TIMEOUT(shown()->timeline && !shown()->timeline->steps.empty(), patience_ms);
    check(shown()->matrix.columns.size() - 1, options.sampled_each);
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

void LiveTest::the_labs_words_tell_its_stage() {
    QCOMPARE(stage_told("lab: making the boot image"), LabStage::image);
    QCOMPARE(stage_told("lab: the machine runs, link at /tmp/x"), LabStage::boot);
    QVERIFY(!stage_told("lab: link: 12 frames"));
    QCOMPARE(words_of(LabStage::l2), "4 of 4: L1 runs L2");
}

void LiveTest::a_lab_run_is_watched_and_tuned() {
    const QString member{qEnvironmentVariable("LAB_MEMBER")};
    if (member.isEmpty()) QSKIP("needs LAB_MEMBER, a member of the zoo or micro-l1");
    MainWindow window{Options{}};
    const TroubleTold told{window};
    window.show();
    const auto shown{[&] { return window.heatmap().data() ? window.heatmap().data()->recording : nullptr; }};
    window.live().run_in_lab(lab_words(member));
    QTRY_COMPARE_WITH_TIMEOUT(window.live().stage(), LabStage::l2, lab_patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(shown() && shown()->totals.counters.round_trips > 1'000, lab_patience_ms);
    const double trapped{shown()->totals.trapped_per_round_trip()};
    QVERIFY(trapped > 1);
    window.document().take_optimum();
    window.live().apply_profile();
    QTRY_VERIFY_WITH_TIMEOUT(window.messages().words().contains("in force"), lab_patience_ms);
    QTRY_VERIFY_WITH_TIMEOUT(!shown()->in_force().hot_set().empty(), lab_patience_ms);
    // Exits fall: what is brushed from here on hardly traps. L1 may be about something else for a while.
    const auto from{shown()->info.snapshots};
    window.filter().change("brush", [&](Filter& filter) {
        filter.range = db::SnapshotRange{from, std::numeric_limits<std::uint32_t>::max()};
    });
    const auto after{[&] { return shown()->totals.trapped_per_round_trip(); }};
    QTRY_VERIFY_WITH_TIMEOUT(shown()->totals.range.from == from && after() < trapped / 10 &&
                                 shown()->totals.counters.round_trips > 1'000,
                             lab_patience_ms);
    qInfo("trapped accesses per round trip: %.4f before, %.4f after", trapped, after());
    window.live().stop_all();
    QTRY_COMPARE_WITH_TIMEOUT(window.live().stage(), LabStage::ended, patience_ms);
}

} // namespace shadowtune::gui
