// `shadowtune export`: a profile or a recording for other programs.

#include "cli/options.hpp"
#include "cli/report_format.hpp"
#include "cli/selection.hpp"
#include "cli/verbs.hpp"
#include "tuner/atomic_file.hpp"
#include "tuner/exports.hpp"

#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    RecordingChoice choice;
    std::string format{"json"};
    std::string output;
};

// A profile is read and written anew: what comes out is complete, checked and in the one canonical form.
[[nodiscard]] Result<std::string, CliError> profile_text(const Options& options) {
    const auto loaded{tuner::load_profile(options.choice.file)};
    if (!loaded) return Failure{CliError{ExitCode::bad_input, loaded.error().message}};
    const tuner::Profile& profile{loaded.value()};
    auto text{tuner::export_as(profile, options.format)};
    if (text) return std::move(*text);
    return Failure{CliError{ExitCode::bad_input,
                            options.choice.file + ": has no curve; make it with 'shadowtune tune --curve'"}};
}

[[nodiscard]] Result<std::string, CliError> recording_text(const RecordingChoice& choice) {
    const auto selected{select(choice)};
    if (!selected) return Failure{selected.error()};
    const auto report{make_report(selected.value(), {true, ReportSort::rate, 0})};
    if (!report) return Failure{report.error()};
    return report_as_json(report.value());
}

[[nodiscard]] Result<std::string, CliError> exported(const Options& options) {
    if (!db::is_database(options.choice.file)) return profile_text(options);
    if (options.format == "json") return recording_text(options.choice);
    return Failure{CliError{ExitCode::bad_input, options.choice.file + ": a recording has no form '" +
                                                     options.format +
                                                     "'; give a profile made by 'shadowtune tune'"}};
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
                     "json: a profile checked and complete; a recording's counts by exit reason\n"
                     "and field. Of profiles only: image, a boot module for the VMM; module, one\n"
                     "with fingerprints too; pages, the two bitmap pages; kvm, vmcs_shadow_fields.h of KVM; "
                     "xen, arrays for Xen; csv, the\n"
                     "hot set; curve, a CSV of what 'tune --curve' found; markdown, a report")
        ->check(CLI::IsMember({"json", "image", "module", "pages", "kvm", "xen", "csv", "curve", "markdown"}))
        ->capture_default_str();
    verb->add_option("--recording", options->choice.recording,
                     "Its number in the database (default: the newest)")
        ->check(above_zero());
    verb->add_option("--snapshots", options->choice.snapshots, "FROM:TO, as in report");
    verb->add_option("-o,--output", options->output, "The file to write (default: standard output)");
    verb->footer("Examples:\n"
                 "  shadowtune export kvm.json --format json\n"
                 "  shadowtune export demo.db --recording 1 -o demo.json\n"
                 "  shadowtune export kvm.json --format image -o profile.img\n"
                 "  shadowtune export kvm.json --format kvm -o vmcs_shadow_fields.h");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
