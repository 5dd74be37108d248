// The zoo: real hypervisors that the lab boots as L1 by a name. The table is lab/zoo/members.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::lab {

struct ZooMember {
    std::string name;
    std::string what;               // one line for people
    std::vector<std::string> files; // relative to the member's directory
    std::string recipe;             // for scripts/setup --zoo: a script of lab/zoo/recipes and its arguments
    std::string run;                // options of `lab run`, {} for the member's directory
};

// The table that the program was built with.
extern const std::string_view zoo_table;

// Throws Failure (internal) with the line's number for a line that is not understood, an unknown key, and a
// member that lacks a value.
[[nodiscard]] std::vector<ZooMember> parse_zoo(std::string_view table);

// Throws Failure (usage) that lists the names where there is none called `name`.
[[nodiscard]] const ZooMember& find_member(const std::vector<ZooMember>& zoo, std::string_view name);

// The first of the member's files that is not in `directory`; empty where all are.
[[nodiscard]] std::string missing_file(const ZooMember& member, const std::filesystem::path& directory);

// The shell command that brings the member's files, to be called in the source tree.
[[nodiscard]] std::string bring_command(const ZooMember& member);

// One word of a member's options, with the member's directory filled in.
[[nodiscard]] std::string with_directory(std::string word, const std::filesystem::path& directory);

} // namespace shadowtune::lab
