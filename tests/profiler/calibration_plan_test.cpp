// The calibration's arithmetic: on a machine whose costs are known, each figure is the cost that it names.

#include "profiler/calibration_plan.hpp"

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using db::Quantity;
using vmcs::Field;
using vmcs::Type;
using vmcs::Width;

[[nodiscard]] vmcs::ProfileTarget whole_target() {
    vmcs::ProfileTarget target{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        target.offered.set(i);
    return target;
}

// What this machine takes for everything that a figure names, another number for each.
[[nodiscard]] double truth(Quantity quantity, std::optional<Type> type, std::optional<Width> width) {
    const double base{100.0 * static_cast<double>(quantity) + 1000};
    return base + (type ? 10.0 * static_cast<double>(*type) : 0) + (width ? static_cast<double>(*width) : 0);
}

class Machine {
public:
    [[nodiscard]] static double ticks(const profiler::CalibrationPoint& point) {
        const vmcs::ShadowSets& sets{point.sets};
        double sum{truth(Quantity::round_trip, {}, {})};
        if (!sets.hot_set().empty()) sum += truth(Quantity::shadow, {}, {});
        sets.read.for_each([&](vmcs::FieldIndex i) { sum += of(Quantity::sync_read, i); });
        sets.write.for_each([&](vmcs::FieldIndex i) { sum += of(Quantity::sync_write, i); });
        for (const Field field : {Field::guest_rip, Field::guest_rsp})
            sum += sets.read.test(field) ? truth(Quantity::sync_read_changed, {}, {}) : 0;
        const char kind{point.orders[0]};
        const auto encoding{std::strtoul(point.orders.substr(1, 4).c_str(), nullptr, 16)};
        const auto times{std::strtoul(point.orders.substr(6).c_str(), nullptr, 16)};
        constexpr double loop{3};
        sum += loop * static_cast<double>(times);
        if (kind == '-' || times == 0) return sum;
        if (kind == 't') {
            const double pair{1 + 2 * turn(vmcs::find(encoding), sets)};
            return sum + static_cast<double>(times) * pair + first_turn(sets);
        }
        const vmcs::FieldIndex field{vmcs::find(encoding)};
        const bool reads{kind == 'r' || kind == 'R' || kind == 'P'};
        return sum +
               static_cast<double>(times) * (reads ? read(kind, field, sets) : write(kind, field, sets)) +
               once(kind, field, sets);
    }

private:
    [[nodiscard]] static double of(Quantity quantity, vmcs::FieldIndex field) {
        return truth(quantity, vmcs::catalogue[field].type, vmcs::catalogue[field].width);
    }
    [[nodiscard]] static double of_type(Quantity quantity, vmcs::FieldIndex field) {
        return truth(quantity, vmcs::catalogue[field].type, {});
    }

    // To the second VMCS or back: RIP is another there as well.
    [[nodiscard]] static double turn(vmcs::FieldIndex other, const vmcs::ShadowSets& sets) {
        double sum{sets.hot_set().empty() ? 0 : truth(Quantity::switch_shadow, {}, {})};
        sets.read.for_each([&](vmcs::FieldIndex i) {
            sum += truth(Quantity::switch_read, {}, {});
            const bool changed{i == other || i == vmcs::index_of(Field::guest_rip)};
            if (changed) sum += truth(Quantity::switch_read_changed, {}, {});
        });
        return sum + static_cast<double>(sets.write.count()) * truth(Quantity::switch_write, {}, {});
    }

    // What lies in vmcs02 and is not in R.
    [[nodiscard]] static double first_turn(const vmcs::ShadowSets& sets) {
        double sum{0};
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
            const Type type{vmcs::catalogue[i].type};
            const bool left{type == Type::read_only_data || type == Type::guest_state};
            sum += left && !sets.read.test(i) ? truth(Quantity::switch_fetch, {}, {}) : 0;
        }
        return sum;
    }

    [[nodiscard]] static double read(char kind, vmcs::FieldIndex field, const vmcs::ShadowSets& sets) {
        if (sets.read.test(field)) return of(Quantity::shadow_read, field);
        const double memory{kind == 'r' ? 0 : truth(Quantity::trapped_read_memory, {}, {})};
        return of_type(Quantity::trapped_read, field) + memory + walk(kind);
    }

    [[nodiscard]] static double write(char kind, vmcs::FieldIndex field, const vmcs::ShadowSets& sets) {
        if (sets.write.test(field)) return of(Quantity::shadow_write, field);
        const double memory{kind == 'W' ? truth(Quantity::trapped_write_memory, {}, {}) : 0};
        const double update{sets.read.test(field) ? truth(Quantity::trapped_write_update, {}, {}) : 0};
        return of_type(Quantity::trapped_write, field) + memory + walk(kind) + update;
    }

    // L1's tables are three levels deep, and four for the page of 4 KiB.
    [[nodiscard]] static double walk(char kind) {
        const double entries{kind == 'P' ? 4.0 : kind == 'R' || kind == 'W' ? 3.0 : 0.0};
        return entries * truth(Quantity::trapped_walk_entry, {}, {});
    }

    // What the first access of a round trip brings with it.
    [[nodiscard]] static double once(char kind, vmcs::FieldIndex field, const vmcs::ShadowSets& sets) {
        const Type type{vmcs::catalogue[field].type};
        if (kind == 'r' || kind == 'R' || kind == 'P') {
            const bool in_vmcs02{type == Type::read_only_data || type == Type::guest_state};
            return in_vmcs02 && !sets.read.test(field) ? of_type(Quantity::trapped_read_fetch, field) : 0;
        }
        if (kind != 'c') return 0;
        const double dirty{field == vmcs::index_of(Field::io_bitmap_a)
                               ? truth(Quantity::dirty_combined, {}, {})
                               : of_type(Quantity::dirty, field)};
        return dirty + (sets.write.test(field) ? truth(Quantity::sync_write_changed, {}, {}) : 0);
    }
};

[[nodiscard]] std::vector<double> round_of(const profiler::CalibrationPlan& plan) {
    std::vector<double> round{};
    for (const auto& point : plan.points)
        round.push_back(Machine::ticks(point));
    return round;
}

TEST(CalibrationPlan, FindsEachCost) {
    const auto plan{profiler::plan_calibration(whole_target())};
    const std::vector<std::vector<double>> rounds{round_of(plan)};
    const auto figures{profiler::figures_of(plan, rounds)};
    std::array<bool, db::quantity_count> seen{};
    for (const db::CostFigure& f : figures) {
        seen[static_cast<std::size_t>(f.quantity)] = true;
        EXPECT_NEAR(f.median, truth(f.quantity, f.type, f.width), 1e-6) << db::text(f.quantity);
        EXPECT_EQ(f.repetitions, 1U);
    }
    // The others are no costs of round trips.
    for (std::size_t i{0}; i <= static_cast<std::size_t>(Quantity::switch_fetch); ++i)
        EXPECT_TRUE(seen[i]) << db::text(static_cast<Quantity>(i));
}

TEST(CalibrationPlan, AsksOnlyForWhatL0Accepts) {
    vmcs::ProfileTarget target{whole_target()};
    // A machine that lacks a whole class, and a field that a figure is measured on where it is there.
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        if (vmcs::catalogue[i].type == Type::control && vmcs::catalogue[i].width == Width::bits16)
            target.offered.clear(i);
    }
    target.offered.clear(Field::io_bitmap_a);
    const auto plan{profiler::plan_calibration(target)};
    for (const auto& point : plan.points) {
        EXPECT_TRUE(vmcs::validate(point.sets, target).ok()) << point.orders;
        EXPECT_LE(point.orders.size(), 12U) << point.orders;
    }
    for (const auto& figure : plan.figures) {
        EXPECT_NE(figure.quantity, Quantity::dirty_combined);
        EXPECT_FALSE(figure.type == Type::control && figure.width == Width::bits16);
    }
}

TEST(CalibrationPlan, TellsTheSpread) {
    const auto plan{profiler::plan_calibration(whole_target())};
    std::vector<std::vector<double>> rounds{};
    for (const double more : {30.0, 0.0, 10.0, 20.0, 100.0}) {
        rounds.push_back(round_of(plan));
        for (double& ticks : rounds.back())
            ticks += more;
    }
    const auto figures{profiler::figures_of(plan, rounds)};
    const double base{truth(Quantity::round_trip, {}, {})};
    ASSERT_EQ(figures.front().quantity, Quantity::round_trip);
    EXPECT_EQ(figures.front().median, base + 20);
    EXPECT_EQ(figures.front().lower_quartile, base + 10);
    EXPECT_EQ(figures.front().upper_quartile, base + 30);
    EXPECT_EQ(figures.front().least, base);
    EXPECT_EQ(figures.front().most, base + 100);
    EXPECT_EQ(figures.front().repetitions, 5U);
    // What all points have in common is in no difference.
    EXPECT_NEAR(figures.back().median, truth(figures.back().quantity, {}, {}), 1e-6);
    EXPECT_TRUE(profiler::figures_of(plan, {}).empty());
}

} // namespace
} // namespace shadowtune
