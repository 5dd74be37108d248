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
        figure(Quantity::switch_shadow, {}, {}, 70),
        figure(Quantity::switch_read, {}, {}, 8),
        figure(Quantity::switch_fetch, {}, {}, 9),
        figure(Quantity::switch_read_changed, {}, {}, 5),
        figure(Quantity::switch_write, {}, {}, 12),
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
    EXPECT_EQ(table.switch_shadow, 70);
    EXPECT_EQ(rip.switch_read, 8);
    EXPECT_EQ(rip.switch_read_changed, 5);
    EXPECT_EQ(rip.switch_write, 12);
    EXPECT_EQ(rip.switch_fetch, 9);
    EXPECT_EQ(costs_of(table, Field::host_rsp).switch_read, 8);
    EXPECT_EQ(costs_of(table, Field::host_rsp).switch_fetch, 0) << "at hand";
    EXPECT_EQ(costs_of(table, Field::guest_cs_access_rights).sync_read, 32);
    EXPECT_EQ(costs_of(table, Field::exit_reason).sync_read, 32) << "the exit leaves it in vmcs02";
    EXPECT_EQ(costs_of(table, Field::vmx_preemption_timer_value).fetch, 0) << "L0 keeps it";
    EXPECT_EQ(costs_of(table, Field::vmx_preemption_timer_value).sync_read, 10);
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

// An L1 that turns from one VMCS to another makes L0 fill the shadow each time.
TEST(PredictTicks, CountsSwitches) {
    const auto costs{tuner::measured_costs(calibration())};
    tuner::Workload turning{workload()};
    turning.switches = 300;
    turning.fields[vmcs::index_of(Field::guest_rip)].others = 150;
    vmcs::ShadowSets sets{};
    sets.read.set(Field::guest_rip);
    EXPECT_DOUBLE_EQ(tuner::predict_ticks(0, sets, turning, costs) -
                         tuner::predict_ticks(0, sets, workload(), costs),
                     3 * (70 + 8) + 1.5 * 5);
    sets.write.set(Field::guest_rip);
    EXPECT_DOUBLE_EQ(tuner::predict_ticks(0, sets, turning, costs) -
                         tuner::predict_ticks(0, sets, workload(), costs),
                     3 * (70 + 8 + 12) + 1.5 * 5);
    EXPECT_EQ(tuner::predict_ticks(0, {}, turning, costs), 0);
}

// A field in R need not be brought over when L1 turns to another VMCS for the first time; nor one that L1 has
// read.
TEST(PredictTicks, CountsWhatTheFirstSwitchBringsOver) {
    tuner::FieldCosts costs{};
    costs.switch_fetch = 9;
    tuner::FieldUse use{};
    use.switched_round_trips = 0.75;
    EXPECT_EQ(tuner::read_cost(use, costs, false), 0.75 * 9);
    EXPECT_EQ(tuner::read_cost(use, costs, true), 0);
    use.reads = 0.25;
    EXPECT_EQ(tuner::read_cost(use, costs, false), 0.5 * 9);
    use.reads = 2;
    EXPECT_EQ(tuner::read_cost(use, costs, false), 0);
}

TEST(WorkloadOfTotals, HasWhatWasCountedOfValues) {
    db::Totals totals{};
    totals.counters.round_trips = 100;
    totals.switches = 200;
    totals.switched_round_trips = 80;
    const auto reason{vmcs::index_of(Field::exit_reason)};
    const auto rip{vmcs::index_of(Field::guest_rip)};
    totals.changes[reason] = {32, 170};
    const auto workload{tuner::workload_of(totals)};
    EXPECT_EQ(workload.switches, 200U);
    EXPECT_EQ(workload.switched_round_trips, 80U);
    EXPECT_EQ(workload.fields[reason].changes, 32U);
    EXPECT_EQ(workload.fields[reason].others, 170U);
    EXPECT_EQ(workload.fields[rip].changes, 100U) << "L1 does not read it: another at each exit";
    EXPECT_EQ(workload.fields[vmcs::index_of(Field::host_rsp)].changes, 0U);
    totals.changes[rip].at_exit = 71;
    EXPECT_EQ(tuner::workload_of(totals).fields[rip].changes, 71U) << "counted";
}

} // namespace
} // namespace shadowtune
