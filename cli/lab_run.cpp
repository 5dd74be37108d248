#include "cli/lab_run.hpp"

#include "cli/lab_recorder.hpp"
#include "cli/lab_zoo.hpp"
#include "cli/options.hpp"
#include "cli/program_files.hpp"
#include "lab/failure.hpp"
#include "lab/options.hpp"
#include "lab/run.hpp"
#include "tuner/library.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <vector>

namespace shadowtune::cli {
namespace {

// What the options are before they have been looked at.
struct RawOptions {
    std::string member; // of the zoo
    std::filesystem::path zoo{default_zoo_directory()};
    lab::RunOptions run;
    std::string l1;
    std::vector<std::string> modules;
    std::string faults;
    std::int64_t timeout_seconds = 0;
    std::vector<std::string> profiles;
    std::filesystem::path library;
    std::string record;
};

// Profiles go to the VMM in their binary form, as a boot module. One alone is in force from L1's first
// instruction; of several L0 picks.
[[nodiscard]] Result<void, CliError> take_profiles(RawOptions& raw) {
    std::vector<tuner::Profile> profiles{};
    for (const std::string& file : raw.profiles) {
        auto profile{tuner::load_profile(file)};
        if (!profile) return Failure{CliError{ExitCode::bad_input, profile.error().message}};
        profiles.push_back(std::move(profile).value());
    }
    if (!raw.library.empty()) {
        const auto library{tuner::Library::load(raw.library)};
        if (!library) return Failure{CliError{ExitCode::bad_input, library.error().message}};
        profiles.insert(profiles.end(), library.value().profiles().begin(), library.value().profiles().end());
    }
    if (profiles.size() == 1 && raw.library.empty()) profiles.front().fingerprints.clear();
    for (const tuner::Profile& profile : profiles) {
        const auto module{tuner::to_module(profile)};
        raw.run.profile.insert(raw.run.profile.end(), module.begin(), module.end());
    }
    return {};
}

// --bare leaves no VMM to take a profile or to be recorded.
[[nodiscard]] bool asks_for_a_missing_vmm(const RawOptions& raw) {
    return raw.run.bare && !(raw.profiles.empty() && raw.library.empty() && raw.record.empty());
}

[[nodiscard]] int run_lab(RawOptions raw) {
    try {
        lab::parse_l1(raw.l1, raw.run);
        for (const auto& text : raw.modules)
            raw.run.modules.push_back(lab::parse_module(text));
        if (!raw.faults.empty()) raw.run.faults = lab::parse_link_faults(raw.faults);
    } catch (const lab::Failure& failure) {
        fmt::print(stderr, "lab: {}\n", failure.what());
        return lab::to_int(failure.code());
    }
    if (asks_for_a_missing_vmm(raw)) {
        fmt::print(stderr, "lab: --bare runs without the VMM: leave out --profile, --library and --record\n");
        return lab::to_int(lab::ExitCode::usage);
    }
    if (const auto taken{take_profiles(raw)}; !taken) {
        fmt::print(stderr, "lab: {}\n", taken.error().message);
        return lab::to_int(lab::ExitCode::bad_input);
    }
    LabRecorder recorder{raw.run.cpu_model};
    if (!raw.record.empty()) {
        if (const auto opened{recorder.open(raw.record)}; !opened) {
            fmt::print(stderr, "lab: {}\n", opened.error().message);
            return lab::to_int(lab::ExitCode::bad_input);
        }
        raw.run.may_end = [&recorder] { return recorder.is_complete(); };
        raw.run.on_link_ready = [&recorder](const std::filesystem::path& socket) { recorder.start(socket); };
    }
    raw.run.timeout = std::chrono::seconds{raw.timeout_seconds};
    if (!raw.run.bare && raw.run.vmm.empty()) raw.run.vmm = beside_this_program("shadowtune-vmm.elf");
    const lab::ExitCode code{lab::run(raw.run)};
    if (const auto recorded{recorder.finish()}; !recorded)
        fmt::print(stderr, "lab: {}\n", recorded.error().message);
    return lab::to_int(code);
}

[[nodiscard]] std::string footer() {
    using enum lab::ExitCode;
    std::string text = "Exit codes:\n";
    for (const auto code :
         {powered_off, usage, not_ready, bad_image, internal, bad_input, timeout, l1_stopped,
          vmm_cannot_start, emulator_panic, machine_reset, not_printed, interrupted, terminated}) {
        text += fmt::format("  {:3}  {}\n", lab::to_int(code), lab::describe(code));
    }
    return text + "Examples:\n"
                  "  shadowtune lab run --l1 linux:vmlinuz --initrd initramfs.cpio --cmdline 'console=ttyS0 "
                  "quiet' --timeout 120\n"
                  "  shadowtune lab run --bare --l1 multiboot:vmx.elf --cmdline vmread_vmwrite --module "
                  "config,NR_CPUS=1\n"
                  "  shadowtune lab run linux-5.10 --record zoo.db\n";
}

void add_options(CLI::App& app, RawOptions& raw) {
    // The last one counts, so that a user's option replaces a zoo member's.
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    const auto add_list{[&app](const char* name, std::vector<std::string>& values, const char* help) {
        repeatable(app.add_option(name, values, help));
    }};
    app.add_option("--zoo", raw.zoo, "Where the zoo's files lie")->capture_default_str();
    app.add_option("--l1", raw.l1, "L1's image: linux:BZIMAGE, multiboot:ELF, multiboot1:ELF or disk:IMAGE");
    app.add_option("--initrd", raw.run.initrd, "Linux's initial file system");
    app.add_option("--cmdline", raw.run.cmdline, "L1's command line");
    add_list("--module", raw.modules,
             "A boot module of a multiboot L1: FILE or FILE,ARGUMENTS; may be repeated");
    app.add_option("--disk", raw.run.disk, "Image of the machine's first hard disk, of which L1 gets a copy");
    app.add_option("--memory", raw.run.memory_mib, "The machine's memory in MiB")->capture_default_str();
    app.add_option("--cpus", raw.run.cpus, "Logical processors")->capture_default_str();
    app.add_option("--cpu-model", raw.run.cpu_model, "Bochs's name of the processor")->capture_default_str();
    app.add_option("--ips", raw.run.ips, "Emulated instructions per emulated second")->capture_default_str();
    app.add_flag("--bare", raw.run.bare, "Boot the same L1 without the VMM, for comparison");
    app.add_option("--vmm", raw.run.vmm, "The VMM's image (shadowtune-vmm.elf beside this program)");
    app.add_option("--vmm-args", raw.run.vmm_arguments, "The VMM's command line");
    add_list("--profile", raw.profiles,
             "A profile (JSON) that is in force from L1's first instruction; may be repeated: then\n"
             "every access traps until L1 runs its first L2, and L0 picks one by L1's fingerprint");
    app.add_option("--library", raw.library,
                   "A directory of profiles, of which L0 picks one in the same way");
    app.add_option("--record", raw.record, "Record into this database while the machine runs");
    app.add_option("--link", raw.run.link, "Unix socket to serve the VMM's link on");
    app.add_option("--link-faults", raw.faults,
                   "SEED,1/N: corrupt, drop or double one link frame in N, for tests");
    app.add_option("--input-after", raw.run.input_after,
                   "Hold the input back until L1 has printed this text");
    add_list("--type", raw.run.type,
             "A line to type to L1's console instead of standard input; may be repeated");
    add_list("--expect", raw.run.expect,
             "A text that L1 has to print, or the run ends with 25; may be repeated");
    app.add_option("--last-line", raw.run.last_line,
                   "A line to type when every --expect has been printed and the last snapshot been taken");
    app.add_option("--timeout", raw.timeout_seconds, "End the machine after this many seconds; 0: never")
        ->capture_default_str();
    app.add_flag("--quiet", raw.run.quiet, "No progress lines on standard error");
}

// A member's options, and then those that the user gave.
[[nodiscard]] int run_member(const CLI::App& given, const RawOptions& user) {
    RawOptions raw{};
    CLI::App app{};
    add_options(app, raw);
    try {
        parse_words_then_given(zoo_words(user.member, user.zoo), given, app);
    } catch (const lab::Failure& failure) {
        fmt::print(stderr, "lab: {}\n", failure.what());
        return lab::to_int(failure.code());
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "lab: lab/zoo/members: {}: {}\n", user.member, error.what());
        return lab::to_int(lab::ExitCode::internal);
    }
    return run_lab(std::move(raw));
}

} // namespace

void add_lab_verbs(CLI::App& app, int& exit_code) {
    auto* verb = app.add_subcommand("lab", "The emulated machine: runs everything without VT-x");
    verb->require_subcommand(1);
    auto* run = verb->add_subcommand(
        "run", "Boot an L1 under the VMM in Bochs, print its console, and end with its end");
    run->footer(footer());

    const auto raw = std::make_shared<RawOptions>();
    run->add_option("NAME", raw->member, "A member of the zoo ('shadowtune lab list'), instead of --l1");
    add_options(*run, *raw);
    run->callback(
        [run, raw, &exit_code] { exit_code = raw->member.empty() ? run_lab(*raw) : run_member(*run, *raw); });
    add_lab_list_verb(*verb, exit_code);
}

} // namespace shadowtune::cli
