#pragma once

// An L1's fingerprint within a profile's file: docs/profile-format.md.

#include "tuner/json_object.hpp"

namespace shadowtune::tuner {

[[nodiscard]] Json to_json(const vmcs::Fingerprint& fingerprint);

// `path` names its place in the file. Throws Stop.
[[nodiscard]] vmcs::Fingerprint fingerprint_from_json(const Json& json, const std::string& path);

} // namespace shadowtune::tuner
