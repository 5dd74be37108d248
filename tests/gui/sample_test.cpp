#include "tests/gui/heatmap_fixture.hpp"
#include "tests/gui/tests.hpp"

#include <QTest>
#include <cmath>

namespace shadowtune::gui {

using vmcs::Field;
using Fixture = HeatmapFixture;

void SampleTest::rates_are_of_all_accesses() {
    Fixture on{db::Mode::sample};
    const HeatmapPtr heatmap{on.heatmap()};
    QVERIFY(heatmap->matrix.complete);
    QCOMPARE(rate(*heatmap, Field::exit_reason, cpuid).reads, 1.0);   // shadowed: by the sample
    QCOMPARE(rate(*heatmap, Field::ept_pointer, io).writes, 1.0 / 6); // trapped: by all
}

void SampleTest::rates_over_time_are_of_all_accesses() {
    Fixture on{db::Mode::sample};
    Filter filter{};
    filter.axis = Axis::time;
    const HeatmapPtr heatmap{on.heatmap(filter)};
    QVERIFY(heatmap->matrix.complete && heatmap->matrix.estimated);
    const auto rip{vmcs::index_of(Field::guest_rip)};
    const auto pointer{vmcs::index_of(Field::ept_pointer)};
    for (std::size_t step{0}; step < 2; ++step) {
        QCOMPARE(heatmap->matrix.at(rip, step).reads, 1.0);
        QCOMPARE(heatmap->matrix.at(pointer, step).writes, 0.1); // trapped, and counted throughout
        QVERIFY(cell_tooltip(*heatmap, rip, step, {}).contains("95 %"));
        const auto counted{cell_interval(heatmap->matrix, *heatmap->recording, heatmap->timeline.get(),
                                         pointer, step, db::Access::write)};
        QVERIFY(!counted.has_value());
    }
    // 10 of 100 round trips in the first step, 90 of 900 in the second.
    const auto interval{[&](std::size_t step) {
        return *cell_interval(heatmap->matrix, *heatmap->recording, heatmap->timeline.get(), rip, step,
                              db::Access::read);
    }};
    QVERIFY(interval(0).high - interval(0).low > interval(1).high - interval(1).low);
    QCOMPARE(heatmap->timeline->trapped_per_round_trip(0), heatmap->timeline->trapped_per_round_trip(1));
    QVERIFY(!on.heatmap({})->timeline);
}

void SampleTest::a_mean_of_samples_has_an_interval() {
    Fixture on{db::Mode::sample};
    const auto read{on.source.read({on.file, 0}, {})};
    QVERIFY(read.ok());
    const auto rip{vmcs::index_of(Field::guest_rip)};
    const auto width{[&](std::span<const RecordingPtr> of) {
        const HeatmapMatrix matrix{matrix_by_recording(of, Axis::workload)};
        const auto interval{cell_interval(matrix, *of.front(), nullptr, rip, 0, db::Access::read)};
        return interval ? interval->high - interval->low : -1;
    }};
    const RecordingPtr one[]{read.value()};
    const RecordingPtr two[]{read.value(), read.value()};
    QVERIFY(width(one) > 0);
    QVERIFY(std::abs(width(two) - width(one) / std::sqrt(2)) < 1e-9);
    Fixture counted{};
    const auto whole{counted.source.read({counted.file, 0}, {})};
    const RecordingPtr exact[]{whole.value()};
    QCOMPARE(width(exact), -1.0);
}

} // namespace shadowtune::gui
