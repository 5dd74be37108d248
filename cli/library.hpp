#pragma once

#include <filesystem>

namespace shadowtune::cli {

// profiles/ of the source tree that this program was built in.
[[nodiscard]] std::filesystem::path default_library_directory();

} // namespace shadowtune::cli
