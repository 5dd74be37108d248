#include "cli/lab_zoo.hpp"

#include "cli/console.hpp"
#include "cli/table.hpp"
#include "lab/failure.hpp"
#include "lab/zoo.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <system_error>
#include <vector>

namespace shadowtune::cli {
namespace {

struct ListOptions {
    std::filesystem::path zoo{default_zoo_directory()};
    std::string format{"text"};
};

[[nodiscard]] int list(const ListOptions& options) {
    std::vector<lab::ZooMember> zoo;
    try {
        zoo = lab::parse_zoo(lab::zoo_table);
    } catch (const lab::Failure& failure) {
        fmt::print(stderr, "lab: {}\n", failure.what());
        return lab::to_int(failure.code());
    }
    const auto is_ready{[&](const lab::ZooMember& member) {
        return lab::missing_file(member, options.zoo / member.name).empty();
    }};
    if (options.format == "csv") {
        fmt::print("name,ready,what\n");
        for (const auto& member : zoo)
            fmt::print("{},{},{}\n", member.name, is_ready(member) ? 1 : 0, csv_cell(member.what));
        return finish_output();
    }
    Table table{
        {{"name", Table::Align::left}, {"assets", Table::Align::left}, {"what it is", Table::Align::left}}};
    for (const auto& member : zoo)
        table.add({member.name, is_ready(member) ? "ready" : lab::bring_command(member), member.what});
    fmt::print("{}", table.text());
    return finish_output();
}

} // namespace

std::filesystem::path default_zoo_directory() {
    std::error_code ignored;
    const auto program{std::filesystem::read_symlink("/proc/self/exe", ignored)};
    // build/PRESET/bin/shadowtune
    return program.parent_path().parent_path().parent_path() / "assets" / "zoo";
}

void add_lab_list_verb(CLI::App& lab, int& exit_code) {
    auto* verb{lab.add_subcommand("list", "The zoo: real hypervisors that 'lab run NAME' boots as L1")};
    const auto options{std::make_shared<ListOptions>()};
    verb->add_option("--zoo", options->zoo, "Where the members' files lie")->capture_default_str();
    verb->add_option("--format", options->format, "text or csv")
        ->check(CLI::IsMember({"text", "csv"}))
        ->capture_default_str();
    verb->footer("\"assets\" is \"ready\", or the command that brings what is missing.");
    verb->callback([options, &exit_code] { exit_code = list(*options); });
}

std::vector<std::string> zoo_words(const std::string& name, const std::filesystem::path& zoo_directory) {
    const auto zoo{lab::parse_zoo(lab::zoo_table)};
    const auto& member{lab::find_member(zoo, name)};
    const auto directory{zoo_directory / name};
    if (const auto missing{lab::missing_file(member, directory)}; !missing.empty()) {
        throw lab::Failure{lab::ExitCode::not_ready,
                           fmt::format("{} is not there: run {}", (directory / missing).string(),
                                       lab::bring_command(member))};
    }
    auto words{CLI::detail::split_up(member.run)};
    for (auto& word : words)
        word = lab::with_directory(std::move(word), directory);
    return words;
}

void parse_words_then_given(std::vector<std::string> words, const CLI::App& given, CLI::App& target) {
    for (const auto* option : given.get_options()) {
        if (option->count() == 0 || option->get_lnames().empty()) continue;
        const auto name{"--" + option->get_lnames().front()};
        if (option->get_items_expected_max() == 0) {
            words.push_back(name);
            continue;
        }
        for (const auto& value : option->results())
            words.push_back(name + "=" + value);
    }
    // CLI11 takes them from the back.
    std::reverse(words.begin(), words.end());
    target.parse(std::move(words));
}

} // namespace shadowtune::cli
