#pragma once

// What `tune` goes by where a recording was made in mode sample, and what it says of fields that this does
// not decide.

#include "cli/selection.hpp"
#include "tuner/decision.hpp"

#include <optional>
#include <string>
#include <vector>

namespace shadowtune::cli {

struct SampledInput {
    tuner::Evidence evidence;
    // The last that were in force; none where nobody knows them: L0 tells a profile's name, and no more.
    std::optional<vmcs::ShadowSets> in_force;
};

// `where` names the recording in error lines; `in_force`: file of the profile that was in force then, which
// has to have its name, and its sets where these are known; or empty. Errors: bad_input.
[[nodiscard]] Result<SampledInput, CliError>
read_sampled(const Selection& selection, const std::string& where, const std::string& in_force);

// What became of each undecided field in `sets`; empty where there is none.
[[nodiscard]] std::string undecided_as_text(const std::vector<tuner::Undecided>& undecided,
                                            const SampledInput& input, const vmcs::ShadowSets& sets);

} // namespace shadowtune::cli
