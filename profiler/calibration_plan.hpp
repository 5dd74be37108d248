#pragma once

// What `shadowtune calibrate` measures, and how costs come out of it: plain data and plain functions, apart
// from the machine.
//
// A point is a round trip of the calibration's L1 (tests/micro_l1/script_calibrate.cpp): the accesses that it
// makes, and the fields that are shadowed meanwhile. Only its ticks are measured. Each cost is a sum of
// points with factors in which everything else cancels out.

#include "db/calibration.hpp"
#include "vmcs/profile.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace shadowtune::profiler {

struct CalibrationPoint {
    std::string orders;    // the profile's name, which tells L1 what to do; at most 12 characters
    vmcs::ShadowSets sets; // that vmcs::validate accepts
};

struct PlannedFigure {
    db::Quantity quantity{};
    std::optional<vmcs::Type> type;
    std::optional<vmcs::Width> width;
    std::map<std::size_t, double> terms; // factors by the number of the point
};

struct CalibrationPlan {
    std::vector<CalibrationPoint> points;
    std::vector<PlannedFigure> figures;
};

// The orders that make L1 power its machine off.
inline constexpr std::string_view calibration_quit{"quit"};

// For a machine that offers these fields. Types and widths of which it has no field are left out.
[[nodiscard]] CalibrationPlan plan_calibration(const vmcs::ProfileTarget& target);

// `rounds`: each has the ticks per round trip of every point, in order. One round gives a figure one value.
[[nodiscard]] std::vector<db::CostFigure> figures_of(const CalibrationPlan& plan,
                                                     std::span<const std::vector<double>> rounds);

} // namespace shadowtune::profiler
