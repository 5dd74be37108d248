// `shadowtune report`: what an L1 accesses, field by field.

#include "cli/options.hpp"
#include "cli/report_format.hpp"
#include "cli/report_generations.hpp"
#include "cli/verbs.hpp"

#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    RecordingChoice choice;
    ReportOptions report;
    std::string sort{"rate"};
    std::string format{"table"};
    bool list{false};
    bool generations{false};
};

[[nodiscard]] int list_recordings(const std::string& file) {
    auto database{open_database(file)};
    if (!database) return fail(database.error());
    const auto recordings{db::RecordingReader::list(database.value())};
    if (!recordings) return fail(ExitCode::bad_input, recordings.error().message);
    fmt::print("{}", recordings_as_table(recordings.value()));
    return finish_output();
}

[[nodiscard]] int show_generations(const Options& options) {
    auto database{open_database(options.choice.file)};
    if (!database) return fail(database.error());
    const auto reader{db::RecordingReader::open(database.value(), options.choice.recording)};
    if (!reader) return fail(ExitCode::bad_input, reader.error().message);
    const auto rows{generation_rows(reader.value())};
    if (!rows) return fail(rows.error());
    if (rows.value().empty()) {
        return fail(ExitCode::bad_input,
                    options.choice.file +
                        ": no round trip between two snapshots of one generation; record on");
    }
    if (options.format == "json") {
        fmt::print("{}", generations_as_json(rows.value()));
    } else if (options.format == "csv") {
        fmt::print("{}", generations_as_csv(rows.value()));
    } else {
        fmt::print("{}", generations_as_table(rows.value()));
    }
    return finish_output();
}

[[nodiscard]] int run(Options options) {
    if (options.list) return list_recordings(options.choice.file);
    if (options.generations) return show_generations(options);
    options.report.sort = options.sort == "name" ? ReportSort::name : ReportSort::rate;
    const auto selected{select(options.choice)};
    if (!selected) return fail(selected.error());
    const auto made{make_report(selected.value(), options.report)};
    if (!made) return fail(made.error());
    const Report& report{made.value()};
    if (options.format == "json") {
        fmt::print("{}", report_as_json(report));
    } else if (options.format == "csv") {
        fmt::print("{}", report_as_csv(report));
    } else {
        fmt::print("{}", report_as_table(report, options.report));
    }
    return finish_output();
}

} // namespace

void add_report_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("report", "Show what an L1 accesses: reads and writes per round trip, by field")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("database", options->choice.file, "File made by 'shadowtune record'")->required();
    verb->add_option("--recording", options->choice.recording, "Its number in the file (default: the newest)")
        ->check(above_zero());
    verb->add_option("--snapshots", options->choice.snapshots,
                     "FROM:TO, the difference of two snapshots (default: first to last; FROM 0: power-on)");
    verb->add_option("--vcpu", options->choice.vcpu,
                     "Only this one of L1's processors, from 0 on (default: all together)");
    verb->add_option("--sort", options->sort, "rate or name")
        ->check(CLI::IsMember({"rate", "name"}))
        ->capture_default_str();
    verb->add_option("--top", options->report.top, "Only so many rows")->check(above_zero());
    verb->add_flag("--by-reason", options->report.by_reason, "One table for each reason of the L2 exits");
    verb->add_flag("--generations", options->generations,
                   "What each set of bitmaps was predicted to do, by what mode trap counted, and what\n"
                   "was measured under it")
        ->excludes("--snapshots")
        ->excludes("--vcpu")
        ->excludes("--by-reason");
    verb->add_option("--format", options->format, "table, csv or json")
        ->check(CLI::IsMember({"table", "csv", "json"}))
        ->capture_default_str();
    verb->add_flag("--list", options->list, "Name the recordings of the file");
    verb->footer("A round trip: an L2 exit delivered to L1, until L1 enters L2 again. 'share' is of all "
                 "trapped accesses in\n"
                 "round trips; 'outside' counts accesses outside of any, such as the creation of a guest.\n\n"
                 "Examples:\n"
                 "  shadowtune report demo.db\n"
                 "  shadowtune report demo.db --recording 2 --by-reason --top 10\n"
                 "  shadowtune report demo.db --generations\n"
                 "  shadowtune report demo.db --format csv > fields.csv");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
