#pragma once

// The recordings that `tune` works on, read and checked.

#include "cli/costs.hpp"
#include "cli/tune_sampled.hpp"
#include "tuner/mix.hpp"
#include "tuner/profile_file.hpp"

#include <string>
#include <vector>

namespace shadowtune::cli {

// As the command line gives them.
struct TuneChoice {
    std::vector<std::string> databases; // FILE or FILE:RECORDING
    std::int64_t recording{0};          // for a single database
    std::string snapshots;              // for a single database
    std::string phase;                  // boot, steady, all; empty: steady where it can be told
    std::vector<double> weights;        // none, or as many as databases
    std::string in_force;               // for a recording in mode sample: the profile's file, or empty
};

struct TuneInput {
    tuner::Mix mix;
    // A recording in mode sample, which stands alone: `mix` has its estimates.
    std::optional<SampledInput> sampled{};
    std::vector<tuner::RecordingUsed> used; // as the mix; no regrets yet
    vmcs::ProfileTarget target;             // what all their L1s may have shadowed
    // Texts on which the recordings do not agree are empty.
    db::Labels labels;
    std::string cpu_brand;
    std::vector<vmcs::Fingerprint> fingerprints; // that were seen; none twice
    std::vector<PricedRecording> priced;         // as the mix
    std::vector<std::string> notes;              // for people: what was not as they may think
};

// Errors: usage and bad_input.
[[nodiscard]] Result<TuneInput, CliError> read_tune_input(const TuneChoice& choice);

} // namespace shadowtune::cli
