// `shadowtune export`: a profile or a recording for other programs.

#include "cli/report_format.hpp"
#include "cli/selection.hpp"
#include "cli/verbs.hpp"
#include "tuner/atomic_file.hpp"
#include "tuner/profile_file.hpp"

#include <fmt/core.h>
#include <fstream>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    RecordingChoice choice;
    std::string format{"json"};
    std::string output;
};

// SQLite's own mark, "The SQLite Database File", section 1.3.
[[nodiscard]] bool is_sqlite(const std::string& file) {
    char begin[15]{};
    std::ifstream{file, std::ios::binary}.read(begin, sizeof(begin));
    return std::string_view{begin, sizeof(begin)} == "SQLite format 3";
}

// A profile is read and written anew: what comes out is complete, checked and in the one canonical form.
[[nodiscard]] Result<std::string, CliError> profile_text(const std::string& file) {
    const auto profile{tuner::load_profile(file)};
    if (!profile) return Failure{CliError{ExitCode::bad_input, profile.error().message}};
    return tuner::to_json(profile.value());
}

// The binary form that the VMM takes as a boot module of the kind `profile`.
[[nodiscard]] Result<std::string, CliError> profile_image(const std::string& file) {
    const auto profile{tuner::load_profile(file)};
    if (!profile) return Failure{CliError{ExitCode::bad_input, profile.error().message}};
    const link::ProfileImage image{tuner::to_image(profile.value())};
    return std::string{reinterpret_cast<const char*>(&image), sizeof(image)};
}

[[nodiscard]] Result<std::string, CliError> recording_text(const RecordingChoice& choice) {
    const auto selected{select(choice)};
    if (!selected) return Failure{selected.error()};
    const auto report{make_report(selected.value(), {true, ReportSort::rate, 0})};
    if (!report) return Failure{report.error()};
    return report_as_json(report.value());
}

[[nodiscard]] Result<std::string, CliError> exported(const Options& options) {
    const bool is_recording{is_sqlite(options.choice.file)};
    if (options.format == "json") {
        return is_recording ? recording_text(options.choice) : profile_text(options.choice.file);
    }
    if (is_recording) {
        return Failure{CliError{ExitCode::bad_input, options.choice.file +
                                                         ": a recording has no image; give a "
                                                         "profile made by 'shadowtune tune'"}};
    }
    return profile_image(options.choice.file);
}

[[nodiscard]] int run(const Options& options) {
    const auto text{exported(options)};
    if (!text) return fail(text.error());
    if (options.output.empty()) {
        fmt::print("{}", text.value());
        return finish_output();
    }
    const auto written{tuner::write_atomically(options.output, text.value())};
    if (!written) return fail(ExitCode::output_failed, written.error());
    return to_int(ExitCode::ok);
}

} // namespace

void add_export_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("export", "Write a profile or a recording in another form")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("file", options->choice.file, "A profile, or a database made by 'shadowtune record'")
        ->required();
    verb->add_option("--format", options->format,
                     "json: a profile checked and complete; a recording's counts by\n"
                     "exit reason and field. image: a profile as a boot module for the VMM")
        ->check(CLI::IsMember({"json", "image"}))
        ->capture_default_str();
    verb->add_option("--recording", options->choice.recording,
                     "Its number in the database (default: the newest)")
        ->check(CLI::PositiveNumber);
    verb->add_option("--snapshots", options->choice.snapshots, "FROM:TO, as in report");
    verb->add_option("-o,--output", options->output, "The file to write (default: standard output)");
    verb->footer("Examples:\n"
                 "  shadowtune export kvm.json --format json\n"
                 "  shadowtune export demo.db --recording 1 -o demo.json\n"
                 "  shadowtune export kvm.json --format image -o profile.img");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
