// `shadowtune diff`: what differs between two recordings, beyond chance, or between two profiles.

#include "cli/options.hpp"
#include "cli/selection.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "tuner/difference.hpp"
#include "tuner/phases.hpp"
#include "tuner/profile_file.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
    std::string first;
    std::string second;
    std::string format{"table"};
    double level{0.01};
    bool all{false};
};

// One line of the answer, of either kind.
struct Line {
    std::string field;
    std::string access;
    double first{0};
    double second{0};
    std::optional<double> p; // of rates
    bool differs{false};

    [[nodiscard]] std::string relative() const {
        if (first == 0) return second == 0 ? "0.0 %" : "new";
        return fmt::format("{:+.1f} %", 100 * (second - first) / first);
    }
};

struct Answer {
    std::vector<Line> lines;
    bool rates{true};

    [[nodiscard]] bool differs() const { return std::ranges::any_of(lines, &Line::differs); }
};

[[nodiscard]] Result<tuner::RateSample, CliError> read_sample(const RecordingChoice& choice) {
    const auto selected{select(choice)};
    if (!selected) return Failure{selected.error()};
    if (const auto good{check_complete(selected.value(), choice.file, false)}; !good)
        return Failure{good.error()};
    const db::Totals& totals{selected.value().totals};
    const auto steps{selected.value().reader.steps(totals.range, tuner::most_steps)};
    if (!steps) return Failure{CliError{ExitCode::bad_input, steps.error().message}};
    return tuner::rate_sample(tuner::workload_of(totals), steps.value());
}

[[nodiscard]] Result<Answer, CliError> compare_recordings(const Options& options) {
    const auto first{read_sample(parse_recording(options.first))};
    if (!first) return Failure{first.error()};
    const auto second{read_sample(parse_recording(options.second))};
    if (!second) return Failure{second.error()};
    Answer answer{};
    for (const auto& difference : tuner::compare_rates(first.value(), second.value(), options.level)) {
        if (!difference.significant && !options.all) continue;
        answer.lines.push_back({std::string{vmcs::catalogue[difference.field].symbol},
                                std::string{db::text(difference.access)}, difference.first, difference.second,
                                difference.p, difference.significant});
    }
    return answer;
}

[[nodiscard]] Result<Answer, CliError> compare_profiles(const Options& options) {
    const auto first{tuner::load_profile(options.first)};
    if (!first) return Failure{CliError{ExitCode::bad_input, first.error().message}};
    const auto second{tuner::load_profile(options.second)};
    if (!second) return Failure{CliError{ExitCode::bad_input, second.error().message}};
    Answer answer{{}, false};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const auto add = [&](const char* access, bool in_first, bool in_second) {
            const bool differs{in_first != in_second};
            if (!differs && !(options.all && in_first)) return;
            answer.lines.push_back({std::string{vmcs::catalogue[i].symbol}, access, in_first ? 1.0 : 0.0,
                                    in_second ? 1.0 : 0.0, std::nullopt, differs});
        };
        add("read", first.value().sets.read.test(i), second.value().sets.read.test(i));
        add("write", first.value().sets.write.test(i), second.value().sets.write.test(i));
    }
    return answer;
}

[[nodiscard]] std::string as_table(const Answer& answer, const Options& options) {
    if (answer.lines.empty()) return "No difference.\n";
    if (!answer.rates) {
        Table table{{{"field", Table::Align::left}, {"access", Table::Align::left}, {"first"}, {"second"}}};
        const auto word{[](double shadowed) { return shadowed > 0 ? "shadowed" : "trapped"; }};
        for (const Line& line : answer.lines)
            table.add({line.field, line.access, word(line.first), word(line.second)});
        return table.text();
    }
    Table table{{{"field", Table::Align::left},
                 {"access", Table::Align::left},
                 {"first"},
                 {"second"},
                 {"difference"},
                 {"relative"},
                 {"p"},
                 {"", Table::Align::left}}};
    for (const Line& line : answer.lines) {
        table.add({line.field, line.access, fmt::format("{:.4f}", line.first),
                   fmt::format("{:.4f}", line.second), fmt::format("{:+.4f}", line.second - line.first),
                   line.relative(), fmt::format("{:.2g}", *line.p), line.differs ? "*" : ""});
    }
    return fmt::format("Accesses per round trip; * differs beyond chance (level {:g}).\n\n{}", options.level,
                       table.text());
}

[[nodiscard]] std::string as_csv(const Answer& answer) {
    std::string text{answer.rates ? "field,access,first,second,difference,relative,p,differs\n"
                                  : "field,access,first,second,differs\n"};
    for (const Line& line : answer.lines) {
        text += fmt::format("{},{},", line.field, line.access);
        if (answer.rates) {
            text += fmt::format(
                "{:.6f},{:.6f},{:.6f},{},{:.6g},", line.first, line.second, line.second - line.first,
                line.first == 0 ? "" : fmt::format("{:.6f}", line.second / line.first - 1), *line.p);
        } else {
            text += fmt::format("{:.0f},{:.0f},", line.first, line.second);
        }
        text += line.differs ? "1\n" : "0\n";
    }
    return text;
}

[[nodiscard]] std::string as_json(const Answer& answer, const Options& options) {
    Json lines(Json::array()); // braces would make a list in a list
    for (const Line& line : answer.lines) {
        Json entry{{"field", line.field}, {"access", line.access}};
        if (answer.rates) {
            entry["first"] = line.first;
            entry["second"] = line.second;
            entry["difference"] = line.second - line.first;
            entry["relative"] = line.first == 0 ? Json(nullptr) : Json(line.second / line.first - 1);
            entry["p"] = *line.p;
        } else {
            entry["first"] = line.first > 0;
            entry["second"] = line.second > 0;
        }
        entry["differs"] = line.differs;
        lines.push_back(std::move(entry));
    }
    Json json{{"kind", answer.rates ? "recordings" : "profiles"}, {"differs", answer.differs()}};
    if (answer.rates) json["level"] = options.level;
    json["differences"] = std::move(lines);
    return json.dump(2) + "\n";
}

[[nodiscard]] int run(const Options& options) {
    const std::string first{parse_recording(options.first).file};
    const std::string second{parse_recording(options.second).file};
    for (const std::string& file : {first, second}) {
        std::error_code ignored{};
        if (!std::filesystem::exists(file, ignored))
            return fail(ExitCode::bad_input, file + ": no such file; check the path");
    }
    const bool recordings{db::is_database(first)};
    if (recordings != db::is_database(second)) {
        return fail(ExitCode::bad_input,
                    options.second + ": a recording goes with a recording, and a profile with a profile");
    }
    const auto answer{recordings ? compare_recordings(options) : compare_profiles(options)};
    if (!answer) return fail(answer.error());
    if (options.format == "json") {
        fmt::print("{}", as_json(answer.value(), options));
    } else if (options.format == "csv") {
        fmt::print("{}", as_csv(answer.value()));
    } else {
        fmt::print("{}", as_table(answer.value(), options));
    }
    const int printed{finish_output()};
    if (printed != to_int(ExitCode::ok)) return printed;
    return to_int(answer.value().differs() ? ExitCode::differs : ExitCode::ok);
}

} // namespace

void add_diff_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("diff", "Compare two recordings or two profiles, field by field")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("first", options->first,
                     "A profile, or a recording in mode trap (FILE or FILE:RECORDING)")
        ->required();
    verb->add_option("second", options->second, "Another one of the same kind")->required();
    verb->add_option("--level", options->level,
                     "Of recordings: the probability to call anything different where nothing is")
        ->check(between(1e-12, 0.5))
        ->capture_default_str();
    verb->add_flag("--all", options->all, "Show what does not differ too");
    verb->add_option("--format", options->format, "table, csv or json")
        ->check(CLI::IsMember({"table", "csv", "json"}))
        ->capture_default_str();
    verb->footer(
        "Ends with 1 where they differ: profiles in any field, recordings beyond chance (docs/diff.md).\n\n"
        "Examples:\n"
        "  shadowtune diff demo.db:1 other.db --format csv\n"
        "  shadowtune diff kvm.json xen.json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
