#pragma once

// Files that are there whole or not at all.

#include "vmcs/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace shadowtune::tuner {

// Error (one line: what, where, the mend): a database is there, whose recordings nothing else has.
[[nodiscard]] Result<void, std::string> check_replaceable(const std::filesystem::path& path);

// Writes beside the target, flushes to disk, renames. After an error (as above) the target is as it was. An
// existing file that is replaceable is replaced and keeps its permissions; a symlink stays, and what it names
// is the target.
[[nodiscard]] Result<void, std::string> write_atomically(const std::filesystem::path& name,
                                                         std::string_view text);

// The whole file; error where it cannot be read or is larger than `limit` bytes.
[[nodiscard]] Result<std::string, std::string> read_whole(const std::filesystem::path& path,
                                                          std::size_t limit);

} // namespace shadowtune::tuner
