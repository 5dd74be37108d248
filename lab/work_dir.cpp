#include "lab/work_dir.hpp"

#include "lab/failure.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <system_error>

namespace shadowtune::lab {

namespace fs = std::filesystem;

WorkDir::WorkDir() {
    std::error_code ignored;
    auto base = fs::temp_directory_path(ignored);
    if (base.empty()) base = "/tmp";
    auto pattern = (base / "shadowtune-lab-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        throw system_failure(
            fmt::format("cannot make a work directory in {} (set TMPDIR to another place)", base.string()));
    }
    path_ = pattern;
}

WorkDir::~WorkDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void WorkDir::write(const fs::path& name, std::span<const std::byte> content) const {
    const auto file = path_ / name;
    std::error_code ignored;
    fs::create_directories(file.parent_path(), ignored);
    std::ofstream stream{file, std::ios::binary};
    const auto chars = std::string_view{reinterpret_cast<const char*>(content.data()), content.size()};
    stream.write(chars.data(), static_cast<std::streamsize>(chars.size()));
    stream.close();
    if (!stream) throw system_failure(fmt::format("cannot write {} (is the disk full?)", file.string()));
}

void WorkDir::write(const fs::path& name, std::string_view content) const {
    write(name, std::as_bytes(std::span{content}));
}

void WorkDir::copy(const fs::path& from, const fs::path& name, std::string_view role) const {
    const auto file = path_ / name;
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    fs::copy_file(from, file, error);
    if (error) {
        throw Failure{ExitCode::not_ready,
                      fmt::format("cannot copy the {} '{}' into the work directory {} ({}): check the "
                                  "path, and that the disk has room",
                                  role, from.string(), path_.string(), error.message())};
    }
}

std::string read_text(const fs::path& file) {
    std::ifstream stream{file, std::ios::binary};
    return std::string{std::istreambuf_iterator<char>{stream}, std::istreambuf_iterator<char>{}};
}

} // namespace shadowtune::lab
