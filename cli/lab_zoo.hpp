// `shadowtune lab list`, and the options that a member of the zoo brings to `lab run`.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace shadowtune::cli {

// build/assets/zoo of the build that this program lies in.
[[nodiscard]] std::filesystem::path default_zoo_directory();

void add_lab_list_verb(CLI::App& lab, int& exit_code);

// The words of `lab run` that the member stands for. Throws lab::Failure: usage for an unknown name,
// not_ready with the mend where one of the member's files is not in `zoo_directory`.
[[nodiscard]] std::vector<std::string> zoo_words(const std::string& name,
                                                 const std::filesystem::path& zoo_directory);

// Gives every option of `given` that its user wrote to `target`, which has the same options: what the user
// wrote takes precedence over `words`. Throws CLI::ParseError for words that are wrong.
void parse_words_then_given(std::vector<std::string> words, const CLI::App& given, CLI::App& target);

} // namespace shadowtune::cli
