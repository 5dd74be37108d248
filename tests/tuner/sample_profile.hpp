#pragma once

// A profile with everything in it that the file can hold.

#include "tests/db/sample_recording.hpp"
#include "tuner/profile_file.hpp"

namespace shadowtune::test {

[[nodiscard]] inline tuner::Profile sample_profile() {
    tuner::Profile profile{};
    profile.name = "kvm-steady";
    profile.l1_kind = "linux";
    profile.l1_name = "Linux \"6.1\" \u00e9";
    profile.l1_mode = "EPT";
    profile.l1_type = "kvm";
    profile.workload = "steady";
    profile.cpu_brand = "Test processor";
    profile.cpu_model = "haswell";
    profile.origin = {"0.1.0", "2026-11-20T12:00:00Z", "published", 14, 420.5, "minimax", 12.25, {}};
    profile.origin.recordings = {{"a.db", 3, "steady", "steady", 1, 1, 40, 123456, 12.5},
                                 {"b.db", 1, "io", "all", 2.5, 4, 9, 7000, 0}};
    profile.sets = tuned_profile();
    profile.rates[vmcs::index_of(vmcs::Field::guest_rip)] = {0.71, 0.5, tuner::RateBounds{0.69, 0.73},
                                                             tuner::RateBounds{0.475, 0.525},
                                                             tuner::FieldGain{700.5, -3}};
    profile.rates[vmcs::index_of(vmcs::Field::guest_cr3)] = {0.001, 0, {}, {}, {}}; // trapped
    profile.undecided = {{vmcs::index_of(vmcs::Field::ept_pointer), 123456},
                         {vmcs::index_of(vmcs::Field::host_cr3), {}}};
    profile.cost_unit = "cycles";
    profile.predicted = tuner::Comparison{
        {6, 2, 0.5, 0, 9000}, {0, 0, 0, 279, 3000}, {0.25, 0.125, 0, 55, 1500}, {0.0625, 0, 0, 8, 400}};
    vmcs::Fingerprint print{};
    print.offered.set(vmcs::Field::guest_rip);
    print.offered.set(vmcs::Field::host_cr3);
    print.controls = {0x7F, 0xB518'6DFA, 0x82, 0x2F'EFFF, 0x13FF, ~std::uint64_t{0}};
    profile.fingerprints.push_back(print);
    print.add({vmcs::index_of(vmcs::Field::host_cr3), true});
    print.add({vmcs::index_of(vmcs::Field::guest_rip), false});
    print.add({vmcs::index_of(vmcs::Field::guest_rip), true});
    profile.fingerprints.push_back(print);
    profile.curve = {{{}, {6, 2, 0.5, 0, 9000}}, {tuned_profile(), {0.0625, 0, 0, 8, 400}}};
    return profile;
}

} // namespace shadowtune::test
