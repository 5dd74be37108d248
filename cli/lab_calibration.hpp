#pragma once

// A calibration in the lab: boots the calibration's L1 under the VMM in Bochs, measures, and ends the
// machine.

#include "cli/console.hpp"
#include "profiler/calibrator.hpp"
#include "vmcs/result.hpp"

#include <string>

namespace shadowtune::cli {

// `options.cpu_model`: Bochs's name of the processor. What goes wrong with the machine itself is told on
// standard error by the lab.
[[nodiscard]] Result<db::Calibration, CliError> calibrate_in_lab(const profiler::CalibratorOptions& options);

} // namespace shadowtune::cli
