#include "gui/model/field_tree.hpp"
#include "gui/model/loader.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/gui/tests.hpp"

#include <QAbstractItemModelTester>
#include <QTest>
#include <QUndoStack>

namespace shadowtune::gui {

namespace {

using vmcs::Field;

// A document on the tests' small recording: RIP is read and written in each round trip.
struct Fixture {
    explicit Fixture(db::Mode mode = db::Mode::trap) {
        const std::string file{(folder / "a.db").string()};
        test::write_sample(file, mode);
        const auto read{source.read({file, 0}, {})};
        if (read) document.set_recording(read.value());
    }

    test::TemporaryFolder folder;
    RecordingSource source;
    QUndoStack undo;
    ProfileDocument document{undo};
};

[[nodiscard]] vmcs::FieldIndex index(Field field) {
    return vmcs::index_of(field);
}

} // namespace

void ProfileTest::the_tree_is_a_model() {
    Fixture on{};
    FieldTree tree{on.document};
    const QAbstractItemModelTester tester{&tree, QAbstractItemModelTester::FailureReportingMode::QtTest};
    on.document.take_optimum();
    on.document.set_recording(nullptr);
    const QModelIndex rip{tree.index_of(index(Field::guest_rip))};
    QVERIFY(rip.isValid());
    QCOMPARE(rip.data().toString(), "guest_rip");
    QCOMPARE(rip.parent().data().toString(), "guest state, natural");
}

void ProfileTest::a_check_toggles_and_undo_takes_it_back() {
    Fixture on{};
    FieldTree tree{on.document};
    const QModelIndex rip{tree.index_of(index(Field::guest_rip), FieldTree::read_column)};
    QVERIFY(tree.setData(rip, Qt::Checked, Qt::CheckStateRole));
    QVERIFY(on.document.sets().read.test(Field::guest_rip));
    QCOMPARE(rip.data(Qt::CheckStateRole).toInt(), int{Qt::Checked});
    on.undo.undo();
    QVERIFY(on.document.sets().hot_set().empty());
    QCOMPARE(rip.data(Qt::CheckStateRole).toInt(), int{Qt::Unchecked});
}

void ProfileTest::writes_bring_reads_along() {
    Fixture on{};
    on.document.toggle(index(Field::guest_rip), true);
    QVERIFY(on.document.sets().read.test(Field::guest_rip));
    QVERIFY(on.document.sets().write.test(Field::guest_rip));
    on.document.toggle(index(Field::guest_rip), false);
    QVERIFY(on.document.sets().hot_set().empty());
}

void ProfileTest::a_broken_rule_is_told_in_words() {
    Fixture on{};
    QVERIFY(on.document.problem().isEmpty());
    on.document.toggle(index(Field::ept_pointer), true);
    QVERIFY(on.document.problem().startsWith("ept_pointer: writes of this field may not be shadowed"));
    QCOMPARE(on.document.problem_field(), index(Field::ept_pointer));
    FieldTree tree{on.document};
    // What broke the rule can be taken back by hand, and nothing else can break it.
    const QModelIndex writes{tree.index_of(index(Field::ept_pointer), FieldTree::write_column)};
    QVERIFY(tree.flags(writes).testFlag(Qt::ItemIsEnabled));
    QVERIFY(tree.setData(writes, Qt::Unchecked, Qt::CheckStateRole));
    QVERIFY(on.document.problem().isEmpty());
    QVERIFY(!tree.flags(writes).testFlag(Qt::ItemIsEnabled));
}

void ProfileTest::the_prediction_is_the_tuners() {
    Fixture on{};
    const tuner::Workload workload{on.document.recording()->workload()};
    on.document.set_sets(test::tuned_profile(), "test");
    const tuner::Effect expected{tuner::predict(test::tuned_profile(), workload, tuner::published_costs())};
    QCOMPARE(on.document.effect().cost, expected.cost);
    QCOMPARE(on.document.effect().trapped(), expected.trapped());
    QVERIFY(on.document.effect().trapped() < on.document.comparison().none.trapped());
    on.document.take_optimum();
    QCOMPARE(on.document.sets(), tuner::optimize(workload, tuner::published_costs(), on.document.target()));
}

void ProfileTest::the_budget_walks_the_curve() {
    Fixture on{};
    QVERIFY(on.document.curve().size() > 2);
    on.document.take_curve_point(1);
    on.document.take_curve_point(2);
    QCOMPARE(on.undo.count(), 1); // one drag
    QCOMPARE(on.document.sets(), on.document.curve()[2].sets);
    QCOMPARE(on.document.curve_place(), std::size_t{2});
    on.undo.undo();
    QVERIFY(on.document.sets().hot_set().empty());
}

void ProfileTest::what_is_saved_is_what_was_shown() {
    Fixture on{};
    on.document.take_optimum();
    QVERIFY(on.document.is_modified());
    const std::string file{(on.folder / "mine.json").string()};
    QVERIFY(on.document.save(file).ok());
    QVERIFY(!on.document.is_modified());
    const auto loaded{tuner::load_profile(file)};
    QVERIFY(loaded.ok());
    QCOMPARE(loaded.value().name, std::string{"mine"});
    QCOMPARE(loaded.value().sets, on.document.sets());
    QVERIFY(loaded.value().predicted.has_value());
    QVERIFY(on.document.write_as((on.folder / "mine.h").string(), "kvm").ok());
    const auto nowhere{on.document.save((on.folder / "no/such/folder.json").string())};
    QVERIFY(!nowhere.ok());
    QCOMPARE(on.document.file(), file);
}

void ProfileTest::nothing_is_predicted_without_counts() {
    Fixture tuned{db::Mode::tuned};
    QVERIFY(!tuned.document.can_predict());
    QVERIFY(tuned.document.why_no_prediction().contains("mode tuned"));
    Fixture sampled{db::Mode::sample};
    QVERIFY(sampled.document.can_predict());
}

} // namespace shadowtune::gui
