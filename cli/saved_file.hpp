#pragma once

// Files made by `shadowtune save`.

#include "cli/console.hpp"
#include "link/saved_state.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shadowtune::cli {

// The bytes of a file that is a saved state; errors name the file and what is wrong with it.
[[nodiscard]] Result<std::vector<std::uint8_t>, CliError> read_saved(const std::string& path);

// Looks into the bytes, which must stay.
[[nodiscard]] Result<link::SavedState, CliError> check_saved(const std::string& path,
                                                             std::span<const std::uint8_t> bytes);

// "L2 runs", "L1 runs, handles exit CPUID" ...
[[nodiscard]] std::string describe_mode(const link::SavedVcpu& vcpu);

} // namespace shadowtune::cli
