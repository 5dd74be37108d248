#include "cli/program_files.hpp"

#include <system_error>

namespace shadowtune::cli {

std::filesystem::path beside_this_program(std::string_view name) {
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / name;
}

} // namespace shadowtune::cli
