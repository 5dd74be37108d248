#pragma once

// What a VM exit costs on a Linux host: its KVM's, with a CPUID handled in the kernel. What VMX itself costs
// there no program can measure.

#include "db/calibration.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace shadowtune::profiler {

struct HostCalibratorOptions {
    std::uint32_t rounds{15};    // values for each figure; at least 1
    std::uint32_t exits{20'000}; // in each round
    std::string device{"/dev/kvm"};
    std::string tool_version;
};

struct HostCalibrations {
    std::vector<db::Calibration> all; // one for each unit that is counted
    std::string trouble;              // why it is a software clock; empty where it is not
};

// Error: one line with the mend.
[[nodiscard]] Result<HostCalibrations, std::string> calibrate_host(const HostCalibratorOptions& options);

} // namespace shadowtune::profiler
