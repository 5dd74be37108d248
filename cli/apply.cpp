// `shadowtune apply`: loads a profile into the running VMM, live.

#include "cli/connection.hpp"
#include "cli/measurement.hpp"
#include "cli/options.hpp"
#include "cli/verbs.hpp"
#include "tuner/library.hpp"
#include "tuner/profile_file.hpp"
#include "tuner/static_lists.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    std::string profile;
    std::filesystem::path library;
    std::string list; // of those fixed today
    ConnectionOptions connection;
    std::uint64_t measured_round_trips{1'000};
    double measuring_s{5};
};

// For L0 to pick from when L1 runs its first L2.
[[nodiscard]] int send_library(const Options& options) {
    const auto library{tuner::Library::load(options.library)};
    if (!library) return fail(ExitCode::bad_input, library.error().message);
    const Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    std::size_t sent{0};
    for (const tuner::Profile& profile : library.value().profiles()) {
        for (const auto& piece : tuner::to_module_pieces(profile)) {
            const auto added{connected.value()->add_profile(piece, sent == 0)};
            if (!added) return fail(to_cli_error(added.error()));
            ++sent;
        }
    }
    fmt::print("{} profiles sent; L0 picks one when L1 runs its first L2: see 'shadowtune identify'\n",
               library.value().profiles().size());
    return finish_output();
}

// Whether it does what was predicted, where L1 gives an occasion to see it.
[[nodiscard]] int measure_and_print(link::Session& session, const tuner::Profile& profile,
                                    const Options& options) {
    const auto measured{measure(session, options.measured_round_trips, options.measuring_s)};
    if (!measured) return fail(measured.error());
    if (!measured.value()) {
        note(fmt::format(
            "not measured: L1 did not make {} round trips under it in {:g} s; 'shadowtune record' "
            "and 'report --generations' show them later",
            grouped(options.measured_round_trips), options.measuring_s));
        return to_int(ExitCode::ok);
    }
    const Measurement& m{*measured.value()};
    fmt::print(
        "Measured    {:.4f} accesses trapped, {:.2f} fields copied, {:.0f} ticks ({:.0f} in L0) per round "
        "trip, over {}\n",
        m.trapped, m.copies, m.ticks, m.l0_ticks, grouped(m.round_trips));
    if (profile.predicted) {
        const tuner::Effect& predicted{profile.predicted->tuned};
        fmt::print("Predicted   {:.4f} accesses trapped, at most {:.0f} fields copied, when it was tuned\n",
                   predicted.trapped(), predicted.synced);
    }
    return finish_output();
}

[[nodiscard]] int run(const Options& options) {
    const int given{(options.profile.empty() ? 0 : 1) + (options.library.empty() ? 0 : 1) +
                    (options.list.empty() ? 0 : 1)};
    if (given != 1) {
        return fail(ExitCode::usage,
                    "give one of these: a profile, --list, or --library for several to pick from");
    }
    if (!options.library.empty()) return send_library(options);
    auto profile{options.list.empty() ? tuner::load_profile(options.profile)
                                      : Result<tuner::Profile, tuner::ProfileFileError>{tuner::Profile{}}};
    if (!profile) return fail(ExitCode::bad_input, profile.error().message);
    const Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    link::Session& session{*connected.value()};
    const auto hello{session.hello()};
    if (!hello) return fail(to_cli_error(hello.error()));
    if (!options.list.empty()) {
        profile =
            tuner::profile_of_list(*tuner::find_static_list(options.list), hello.value().profile_target());
    }
    if (const auto good{check_sets(profile.value().sets, hello.value().profile_target(), options.profile)};
        !good)
        return fail(good.error());

    const auto loaded{session.load_profile(tuner::to_image(profile.value()))};
    if (!loaded) return fail(to_cli_error(loaded.error()));
    // A VMM in mode trap keeps all ones until it is told to use what it was given.
    const auto tuned{session.set_mode(link::Mode::tuned)};
    if (!tuned) return fail(to_cli_error(tuned.error()));
    const std::uint32_t generation{std::max(loaded.value(), tuned.value())};
    const auto waited{wait_for_generation(session, generation, options.connection.timeout_s)};
    if (!waited) return fail(waited.error());
    const InForce& force{waited.value()};
    if (!force.everywhere) {
        return fail(
            ExitCode::differs,
            fmt::format(
                "generation {} is accepted but not in force on every vCPU yet; L1 has not passed a safe "
                "point: see 'shadowtune status'",
                generation));
    }
    std::uint64_t ticks{0};
    for (const auto& vcpu : force.vcpus)
        ticks = std::max(ticks, vcpu.last_reload_ticks);
    fmt::print("Profile     {}: {} read-shadowed, {} write-shadowed\n", profile.value().name,
               profile.value().sets.read.count(), profile.value().sets.write.count());
    fmt::print("Generation  {}, in force on {} vCPU{}\n", generation, force.vcpus.size(),
               force.vcpus.size() == 1 ? "" : "s");
    fmt::print("Reload      {} ticks at the safe point\n", grouped(ticks));
    if (const int printed{finish_output()}; printed != 0) return printed;
    return options.measured_round_trips == 0 ? to_int(ExitCode::ok)
                                             : measure_and_print(session, profile.value(), options);
}

} // namespace

void add_apply_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("apply", "Load a profile into the running VMM, without stopping L1")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("profile", options->profile, "File made by 'shadowtune tune'");
    verb->add_option("--library", options->library,
                     "A directory of profiles instead, of which L0 picks one when L1 runs its first L2");
    verb->add_option("--list", options->list,
                     "Instead of it what this machine takes of one of today's fixed lists")
        ->check(CLI::IsMember(tuner::static_list_names()));
    add_connection_options(*verb, options->connection);
    verb->add_option("--measure", options->measured_round_trips,
                     "Round trips to measure it by once it is in force; 0: none")
        ->capture_default_str();
    verb->add_option("--measure-for", options->measuring_s, "Seconds to wait for them at most")
        ->check(between(0, 1e6))
        ->capture_default_str();
    verb->footer("Ends with 0 once every vCPU runs the profile, with 1 where one has not passed a safe point "
                 "within the\n"
                 "timeout, with 5 where L0 refuses; the old bitmaps then stay in force.\n\n"
                 "Examples:\n"
                 "  shadowtune apply kvm.json --link /tmp/lab.sock\n"
                 "  shadowtune apply kvm.json --link /dev/ttyUSB0\n"
                 "  shadowtune apply --list xen --link /tmp/lab.sock\n"
                 "  shadowtune apply --library profiles --link /tmp/lab.sock");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
