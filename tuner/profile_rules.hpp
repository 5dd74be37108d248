#pragma once

// The rules of a profile that hold on every machine, as a file's reader tells of them. What this machine
// lacks is apply's to say, and L0's.

#include "tuner/profile_file.hpp"

namespace shadowtune::tuner {

// Every field offered, and read-only data writable.
[[nodiscard]] vmcs::ProfileTarget any_machine();

// The words for a broken rule, with the mend.
[[nodiscard]] ProfileFileError rule_broken(const vmcs::ProfileError& error, const std::string& where);

[[nodiscard]] Result<void, ProfileFileError> check_rules(const vmcs::ShadowSets& sets,
                                                         const std::string& where);

} // namespace shadowtune::tuner
