#pragma once

// Measures a running VMM's costs over the link. Its L1 must be the calibration's, which makes the accesses
// that the profile in force names (profiler/calibration_plan.hpp).

#include "db/calibration.hpp"
#include "link/host/session.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace shadowtune::profiler {

struct CalibratorOptions {
    std::uint32_t rounds{5};                // values for each figure; at least 1
    std::uint64_t round_trips{500};         // at least so many for each point in each round
    std::chrono::milliseconds wait{30'000}; // for a point's round trips
    std::string cpu_model;                  // of the lab; empty on hardware
    std::string tool_version;
    // After each round: its number, from 1.
    std::function<void(std::uint32_t round)> on_round{};
};

// Leaves the VMM with the last point's bitmaps. Errors: the session's, and `refused` where L1 is not the
// calibration's.
[[nodiscard]] Result<db::Calibration, link::LinkError> calibrate(link::Session& session,
                                                                 const CalibratorOptions& options);

// Has the calibration's L1 power its machine off.
[[nodiscard]] Result<void, link::LinkError> end_calibration(link::Session& session);

} // namespace shadowtune::profiler
