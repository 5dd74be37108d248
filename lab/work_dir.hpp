// A temporary directory that goes away with its owner.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace shadowtune::lab {

class WorkDir {
public:
    // A new directory below $TMPDIR or /tmp. Throws Failure (internal).
    WorkDir();
    ~WorkDir();
    WorkDir(const WorkDir&) = delete;
    WorkDir& operator=(const WorkDir&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    // Writes a file below the directory, with the directories above it. Throws Failure (internal).
    void write(const std::filesystem::path& name, std::span<const std::byte> content) const;
    void write(const std::filesystem::path& name, std::string_view content) const;

    // Copies `from` to `name` below the directory. Throws Failure: not_ready where `from` cannot be read.
    void copy(const std::filesystem::path& from, const std::filesystem::path& name,
              std::string_view role) const;

private:
    std::filesystem::path path_;
};

// A file's text, or nothing where there is none.
[[nodiscard]] std::string read_text(const std::filesystem::path& file);

} // namespace shadowtune::lab
