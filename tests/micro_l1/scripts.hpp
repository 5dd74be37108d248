#pragma once

// The scripts, one file each. Each prints its RESULT, PASS and FAIL lines and leaves the machine fit for the
// next.

#include "tests/micro_l1/boot_info.hpp"
#include "tests/micro_l1/parameters.hpp"

namespace shadowtune::micro_l1 {

void run_sweep(const Parameters& parameters);
void run_trips(const Parameters& parameters);
void run_fire(const Parameters& parameters);
void run_fire_in_l2(const Parameters& parameters);
void run_init(const Parameters& parameters);
void run_vmx_errors(const Parameters& parameters);
void run_features(const Parameters& parameters);
void run_isolation(const Parameters& parameters);
void run_shadowing(const Parameters& parameters);
void run_calibrate(const Parameters& parameters);
void run_many(const Parameters& parameters);
void run_designs(const Parameters& parameters);

} // namespace shadowtune::micro_l1
