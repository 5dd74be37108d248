#pragma once

// What is installed, or built, beside this program.

#include <filesystem>
#include <string_view>

namespace shadowtune::cli {

// The file of this name in the program's own folder, whether it is there or not.
[[nodiscard]] std::filesystem::path beside_this_program(std::string_view name);

} // namespace shadowtune::cli
