// A calibration as a cost table, and what it predicts.

#include "tuner/optimizer.hpp"
#include "tuner/prediction.hpp"

#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using db::Quantity;
using vmcs::Field;
using vmcs::Type;
using vmcs::Width;

[[nodiscard]] db::CostFigure figure(Quantity quantity, std::optional<Type> type, std::optional<Width> width,
                                    double median) {
    return {quantity, type, width, median, median, median, median, median, 1};
}

[[nodiscard]] db::Calibration calibration() {
    db::Calibration calibration{};
    calibration.unit = "instructions";
    calibration.figures = {
        figure(Quantity::trapped_read, Type::control, {}, 501),
        figure(Quantity::trapped_read, Type::guest_state, {}, 511),
        figure(Quantity::trapped_read_fetch, Type::guest_state, {}, 90),
        figure(Quantity::trapped_write, Type::control, {}, 601),
        figure(Quantity::trapped_write_update, {}, {}, 40),
        figure(Quantity::trapped_read_memory, {}, {}, 900),
        figure(Quantity::trapped_write_memory, {}, {}, 800),
        figure(Quantity::trapped_walk_entry, {}, {}, 60),
        figure(Quantity::dirty, Type::control, {}, 1000),
        figure(Quantity::shadow_read, Type::guest_state, Width::natural, 1),
        figure(Quantity::shadow_write, Type::guest_state, Width::natural, 1),
        figure(Quantity::sync_read, Type::guest_state, Width::natural, 30),
        figure(Quantity::sync_read, Type::guest_state, Width::bits32, 32),
        figure(Quantity::sync_read, Type::control, Width::natural, 10),
        figure(Quantity::sync_read_changed, {}, {}, 15),
        figure(Quantity::sync_write, Type::guest_state, Width::natural, 20),
        figure(Quantity::sync_write_changed, {}, {}, -4), // noise around nothing
        figure(Quantity::shadow, {}, {}, 7),
    };
    return calibration;
}

[[nodiscard]] const tuner::FieldCosts& costs_of(const tuner::CostTable& table, Field field) {
    return table.fields[vmcs::index_of(field)];
}

TEST(MeasuredCosts, TakeTheFigureOfTheFieldsClass) {
    const auto table{tuner::measured_costs(calibration())};
    EXPECT_EQ(table.unit, "instructions");
    EXPECT_EQ(table.fixed, 7);
    const auto& rip{costs_of(table, Field::guest_rip)};
    EXPECT_EQ(rip.trap_read, 510);
    EXPECT_EQ(rip.fetch, 90);
    EXPECT_EQ(rip.trap_write, 600) << "no part of it is dirtying, which a collected write brings as well";
    EXPECT_EQ(rip.update, 40);
    EXPECT_EQ(rip.sync_read, 30);
    EXPECT_EQ(rip.sync_read_changed, 15);
    EXPECT_EQ(rip.sync_write, 20);
    EXPECT_EQ(rip.sync_write_changed, 0);
    EXPECT_EQ(costs_of(table, Field::guest_cs_access_rights).sync_read, 32);
    EXPECT_EQ(costs_of(table, Field::exit_reason).fetch, 0) << "L0 has it at once";
    EXPECT_EQ(costs_of(table, Field::exit_reason).sync_read, 10);
    EXPECT_EQ(costs_of(table, Field::cr0_guest_host_mask).trap_read, 500);
    EXPECT_EQ(costs_of(table, Field::cr0_guest_host_mask).fetch, 0) << "vmcs12 has it";
}

TEST(MeasuredCosts, FallBackOnTheNearestClass) {
    const auto table{tuner::measured_costs(calibration())};
    EXPECT_EQ(costs_of(table, Field::tsc_offset).sync_read, 10) << "of the same type";
    EXPECT_EQ(costs_of(table, Field::host_rsp).sync_read, 10) << "at hand as well";
    EXPECT_EQ(costs_of(table, Field::guest_ia32_pat).sync_read, 30) << "of the same type";
    const auto empty{tuner::measured_costs({})};
    EXPECT_EQ(costs_of(empty, Field::guest_rip).trap_read, 0);
}

[[nodiscard]] tuner::Workload workload() {
    tuner::Workload workload{};
    workload.round_trips = 100;
    auto& rip{workload.fields[vmcs::index_of(Field::guest_rip)]};
    // 10 of each lie outside of round trips, where no tick is counted.
    rip.reads = 260;
    rip.reads_in_round_trips = 250;
    rip.writes = 60;
    rip.writes_in_round_trips = 50;
    rip.changes = 100;
    return workload;
}

TEST(PredictTicks, ChangesWhatTheSetsChange) {
    const auto costs{tuner::measured_costs(calibration())};
    constexpr double trapped{10'000};
    EXPECT_EQ(tuner::predict_ticks(trapped, {}, workload(), costs), trapped);
    vmcs::ShadowSets sets{};
    sets.read.set(Field::guest_rip);
    // 2.5 reads less and their fetch; a changed copy and the shadow itself; an update at every other trip.
    const double reads{2.5 * 510 + 90};
    EXPECT_DOUBLE_EQ(tuner::predict_ticks(trapped, sets, workload(), costs),
                     trapped - reads + 30 + 15 + 7 + 0.5 * 40);
    sets.write.set(Field::guest_rip);
    EXPECT_DOUBLE_EQ(tuner::predict_ticks(trapped, sets, workload(), costs),
                     trapped - reads - 0.5 * 600 + 30 + 15 + 7 + 20);
    EXPECT_EQ(tuner::predict_ticks(trapped, sets, {}, costs), trapped);
}

// A hypervisor that has its accesses in memory saves more.
TEST(PredictTicks, CountsOperandsInMemory) {
    const auto costs{tuner::measured_costs(calibration())};
    tuner::Workload in_memory{workload()};
    auto& rip{in_memory.fields[vmcs::index_of(Field::guest_rip)]};
    rip.reads_to_memory = 120;
    rip.writes_from_memory = 10;
    in_memory.walk_entries = 3.5;
    vmcs::ShadowSets sets{};
    sets.read.set(Field::guest_rip);
    sets.write.set(Field::guest_rip);
    EXPECT_DOUBLE_EQ(tuner::predict_ticks(0, sets, workload(), costs) -
                         tuner::predict_ticks(0, sets, in_memory, costs),
                     1.2 * (900 + 3.5 * 60) + 0.1 * (800 + 3.5 * 60));
}

TEST(WorkloadOfTotals, HasTheOperandsInMemory) {
    db::Totals totals{};
    totals.counters.round_trips = 10;
    totals.counters.memory_reads = 5;
    totals.counters.memory_writes = 3;
    totals.counters.walk_entries = 28;
    const auto rip{vmcs::index_of(Field::guest_rip)};
    totals.accesses = {{rip, db::Access::read, 10, 20, 5},
                       {rip, db::Access::write, 10, 12, 3},
                       {rip, db::Access::read, vmcs::no_round_trip, 100, 100}};
    const auto workload{tuner::workload_of(totals)};
    EXPECT_EQ(workload.fields[rip].reads_to_memory, 5U) << "in round trips alone";
    EXPECT_EQ(workload.fields[rip].writes_from_memory, 3U);
    EXPECT_DOUBLE_EQ(workload.walk_entries, 3.5);
    EXPECT_EQ(tuner::workload_of({}).walk_entries, 0);
}

TEST(PredictTicks, FetchesOnceAtMostInARoundTrip) {
    auto costs{tuner::uniform_costs("", "", "", {.trap_read = 100, .fetch = 10}, 0)};
    EXPECT_EQ(tuner::read_cost({3, 0, 0, 1}, costs.fields[0], false), 310);
    EXPECT_EQ(tuner::read_cost({0.5, 0, 0, 1}, costs.fields[0], false), 55);
    EXPECT_EQ(tuner::read_cost({3, 0, 0, 1}, costs.fields[0], true), 0);
}

TEST(EstimatedChanges, GoByTheExitReasons) {
    tuner::Workload workload{};
    workload.round_trips = 100;
    std::array<std::uint64_t, vmcs::reason_slots> reasons{};
    reasons[10] = 80;
    reasons[30] = 20;
    tuner::estimate_changes(workload, reasons);
    // Two neighbours differ in 2 * 0.8 * 0.2 of the cases.
    EXPECT_EQ(workload.fields[vmcs::index_of(Field::exit_reason)].changes, 32U);
    EXPECT_EQ(workload.fields[vmcs::index_of(Field::guest_rip)].changes, 100U);
    EXPECT_EQ(workload.fields[vmcs::index_of(Field::host_rsp)].changes, 0U);
    tuner::Workload none{};
    tuner::estimate_changes(none, {});
    EXPECT_EQ(none.fields[vmcs::index_of(Field::exit_reason)].changes, 0U);
}

} // namespace
} // namespace shadowtune
