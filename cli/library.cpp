#include "cli/library.hpp"

#include "cli/lab_zoo.hpp"

namespace shadowtune::cli {

std::filesystem::path default_library_directory() {
    // build/assets/zoo
    return default_zoo_directory().parent_path().parent_path().parent_path() / "profiles";
}

} // namespace shadowtune::cli
