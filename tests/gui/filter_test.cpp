#include "gui/model/filter.hpp"
#include "tests/gui/tests.hpp"

#include <QSignalSpy>
#include <QTest>
#include <QUndoStack>

namespace shadowtune::gui {

void FilterTest::a_change_is_undone_and_redone() {
    QUndoStack undo{};
    FilterState state{undo};
    QSignalSpy changed{&state, &FilterState::changed};
    state.change("sort", [](Filter& filter) { filter.rows.order = RowOrder::heat; });
    QCOMPARE(changed.count(), 1);
    state.change("sort", [](Filter& filter) { filter.rows.order = RowOrder::heat; });
    QCOMPARE(undo.count(), 1); // nothing changed
    undo.undo();
    QVERIFY(state.filter().rows.order == RowOrder::catalogue);
    undo.redo();
    QVERIFY(state.filter().rows.order == RowOrder::heat);
    QCOMPARE(changed.count(), 3);
}

void FilterTest::typing_is_one_change() {
    QUndoStack undo{};
    FilterState state{undo};
    for (const char* const text : {"g", "gu", "guest"}) {
        state.change(
            "find fields", [text](Filter& filter) { filter.rows.text = text; }, FilterState::merge_text);
    }
    QCOMPARE(undo.count(), 1);
    undo.undo();
    QVERIFY(state.filter().rows.text.empty());
}

void FilterTest::a_chip_for_each_part_that_is_left_out() {
    QUndoStack undo{};
    FilterState state{undo};
    QVERIFY(state.chips().empty());
    state.change("all", [](Filter& filter) {
        filter.range = db::SnapshotRange{3, 9};
        filter.reasons = {10, 48};
        filter.vcpu = 1;
        filter.rows.text = "rip";
    });
    const auto chips{state.chips()};
    QCOMPARE(chips.size(), std::size_t{4});
    QCOMPARE(chips[0].words, "snapshots 3 to 9");
    QCOMPARE(chips[1].words, "CPUID, EPT violation");
    QCOMPARE(chips[2].words, "vCPU 1");
    QCOMPARE(chips[3].words, "fields like 'rip'");
}

void FilterTest::a_removed_chip_comes_back_by_undo() {
    QUndoStack undo{};
    FilterState state{undo};
    state.change("brush", [](Filter& filter) { filter.range = db::SnapshotRange{3, 9}; });
    state.remove(FilterState::Part::range);
    QVERIFY(!state.filter().range);
    undo.undo();
    QVERIFY(state.filter().range.has_value());
}

} // namespace shadowtune::gui
