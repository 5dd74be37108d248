// `shadowtune import`: a profile out of the forms of other programs.

#include "cli/selection.hpp"
#include "cli/verbs.hpp"
#include "tuner/atomic_file.hpp"
#include "tuner/imports.hpp"
#include "tuner/static_lists.hpp"

#include <filesystem>
#include <fmt/core.h>
#include <map>
#include <memory>

namespace shadowtune::cli {

namespace {

// Larger than KVM's own header and any profile.
constexpr std::size_t largest_import{std::size_t{1} << 20};

const std::map<std::string, tuner::ImportForm> forms{
    {"json", tuner::ImportForm::json},   {"image", tuner::ImportForm::image},
    {"pages", tuner::ImportForm::pages}, {"kvm", tuner::ImportForm::kvm},
    {"xen", tuner::ImportForm::xen},     {"csv", tuner::ImportForm::csv}};

struct Options {
    std::string file;
    std::string output;
    std::string format;
    std::string list; // of those fixed today; `file` is a recording then
    std::string name;
};

// What the machine of a recording takes of a fixed list.
[[nodiscard]] Result<tuner::Profile, CliError> import_list(const Options& options) {
    const RecordingChoice choice{parse_recording(options.file)};
    auto database{open_database(choice.file)};
    if (!database) return Failure{database.error()};
    const auto reader{db::RecordingReader::open(database.value(), choice.recording)};
    if (!reader) return Failure{CliError{ExitCode::bad_input, reader.error().message}};
    return tuner::profile_of_list(*tuner::find_static_list(options.list),
                                  reader.value().machine().profile_target());
}

[[nodiscard]] Result<tuner::Profile, CliError> import_file(const Options& options) {
    const auto bytes{tuner::read_whole(options.file, largest_import)};
    if (!bytes) return Failure{CliError{ExitCode::bad_input, bytes.error()}};
    auto form{options.format.empty()
                  ? tuner::form_of(bytes.value(), options.file)
                  : Result<tuner::ImportForm, tuner::ProfileFileError>{forms.at(options.format)}};
    if (!form) return Failure{CliError{ExitCode::bad_input, form.error().message}};
    auto imported{tuner::import_profile(bytes.value(), form.value(), options.file)};
    if (!imported) return Failure{CliError{ExitCode::bad_input, imported.error().message}};
    if (imported.value().sets.hot_set().empty() && form.value() != tuner::ImportForm::json) {
        return Failure{CliError{ExitCode::bad_input,
                                options.file + ": shadows no field at all; is this the right file?"}};
    }
    return std::move(imported).value();
}

[[nodiscard]] int run(const Options& options) {
    auto imported{options.list.empty() ? import_file(options) : import_list(options)};
    if (!imported) return fail(imported.error());
    tuner::Profile& profile{imported.value()};
    if (!options.name.empty()) profile.name = options.name;
    if (profile.name.empty()) profile.name = tuner::name_after(options.file);
    if (!tuner::is_profile_name(profile.name)) {
        return fail(ExitCode::usage,
                    fmt::format("--name: give 1 to {} bytes of text without control characters",
                                tuner::max_profile_name));
    }
    if (const auto saved{tuner::save_profile(profile, options.output)}; !saved) {
        return fail(ExitCode::output_failed, saved.error());
    }
    fmt::print("Profile  {}: {} read-shadowed, {} write-shadowed\nWritten: {}\n", profile.name,
               profile.sets.read.count(), profile.sets.write.count(), options.output);
    return finish_output();
}

} // namespace

void add_import_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("import", "Make a profile of another program's list of fields")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("file", options->file,
                     "What 'shadowtune export' writes of a profile, KVM's own list, or with --list a "
                     "recording: FILE or FILE:NUMBER")
        ->required();
    verb->add_option("-o,--output", options->output, "The profile to write (JSON)")->required();
    std::vector<std::string> names{};
    names.reserve(std::size(forms));
    for (const auto& [name, form] : forms)
        names.push_back(name);
    auto* format{verb->add_option("--format", options->format,
                                  "json, image, pages, kvm, xen or csv (default: by what is in the file)")
                     ->check(CLI::IsMember(names))};
    verb->add_option("--list", options->list,
                     "One of today's fixed lists, as far as the recording's machine takes it")
        ->check(CLI::IsMember(tuner::static_list_names()))
        ->excludes(format);
    verb->add_option("--name", options->name, "The profile's name (default: the file's own, or of the file)");
    verb->footer(
        "Every rule of a profile is checked, but for what a machine lacks: 'shadowtune apply' does that.\n\n"
        "Examples:\n"
        "  shadowtune import linux/arch/x86/kvm/vmx/vmcs_shadow_fields.h -o kvm-list.json\n"
        "  shadowtune import bitmaps.bin --format pages --name mine -o mine.json\n"
        "  shadowtune import demo.db:1 --list xen -o xen-list.json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
