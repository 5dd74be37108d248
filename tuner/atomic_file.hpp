#pragma once

// Files that are there whole or not at all.

#include "vmcs/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace shadowtune::tuner {

// Writes beside the target, flushes to disk, renames. After an error (one line: what, where, the mend) the
// target is as it was. An existing file is replaced and keeps its permissions.
[[nodiscard]] Result<void, std::string> write_atomically(const std::filesystem::path& path,
                                                         std::string_view text);

// The whole file; error where it cannot be read or is larger than `limit` bytes.
[[nodiscard]] Result<std::string, std::string> read_whole(const std::filesystem::path& path,
                                                          std::size_t limit);

} // namespace shadowtune::tuner
