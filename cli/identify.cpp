// `shadowtune identify`: which known L1 it is, by what it did before its first L2, from a recording or live.

#include "cli/connection.hpp"
#include "cli/library.hpp"
#include "cli/options.hpp"
#include "cli/table.hpp"
#include "cli/tune_input.hpp"
#include "cli/verbs.hpp"
#include "tuner/library.hpp"

#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Options {
    std::string database;
    std::int64_t recording{0};
    ConnectionOptions connection;
    double wait_s{0};
    std::filesystem::path library{default_library_directory()};
    std::string format{"table"};
};

struct Seen {
    std::string l1_name;
    vmcs::Fingerprint fingerprint;
    std::optional<tuner::Workload> steady; // none: nothing to compare rates with
    // Live: what L0 made of it.
    std::optional<link::FingerprintInfo> live;
};

[[nodiscard]] Failure<CliError> bad_input(const std::string& words) {
    return Failure{CliError{ExitCode::bad_input, words}};
}

constexpr std::string_view hidden_words{
    "a profile was in force before L1 ran its first L2, so that its accesses were not seen; boot it in mode "
    "trap"};

[[nodiscard]] Result<Seen, CliError> from_recording(const Options& options) {
    const auto parsed{parse_recording(options.database, options.recording)};
    if (!parsed) return Failure{parsed.error()};
    const RecordingChoice& choice{parsed.value()};
    auto database{open_database(choice.file)};
    if (!database) return Failure{database.error()};
    const auto reader{db::RecordingReader::open(database.value(), choice.recording)};
    if (!reader) return bad_input(reader.error().message);
    const auto stored{reader.value().fingerprint()};
    if (!stored) return bad_input(stored.error().message);
    const std::string place{fmt::format("{}, recording {}", choice.file, reader.value().info().id)};
    if (!stored.value())
        return bad_input(place + ": no fingerprint: L1 ran no L2, or an older VMM or shadowtune recorded it; "
                                 "record again");
    if (stored.value()->hidden) return bad_input(fmt::format("{}: {}", place, hidden_words));
    Seen seen{};
    seen.l1_name = reader.value().info().labels.l1_name;
    seen.fingerprint = stored.value()->seen;
    TuneChoice steady{};
    steady.databases = {choice.file};
    steady.recording = reader.value().info().id;
    auto input{read_tune_input(steady)};
    if (input) {
        seen.steady = input.value().mix.front().workload;
    } else {
        note(input.error().message + "; the rates are not compared");
    }
    return seen;
}

[[nodiscard]] Result<Seen, CliError> from_link(const Options& options, const Interrupt& interrupt) {
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return Failure{connected.error()};
    link::Session& session{*connected.value()};
    const auto until{Clock::now() +
                     std::chrono::milliseconds{static_cast<std::int64_t>(options.wait_s * 1000)}};
    while (true) {
        auto asked{session.fingerprint()};
        if (!asked) return Failure{to_cli_error(asked.error())};
        if (asked.value().state == link::RecognitionState::hidden)
            return bad_input(std::string{hidden_words});
        if (asked.value().state == link::RecognitionState::seen) {
            const auto hello{session.hello()};
            if (!hello) return Failure{to_cli_error(hello.error())};
            return Seen{hello.value().l1_name, asked.value().fingerprint, {}, std::move(asked).value()};
        }
        if (Clock::now() >= until) return bad_input("L1 has run no L2 yet; let it, or give --wait SECONDS");
        constexpr std::chrono::milliseconds pause{500};
        const auto listened{session.listen(pause)};
        if (!listened) return Failure{to_cli_error(listened.error())};
        if (!listened.value()) return Failure{CliError{ExitCode::interrupted, "interrupted"}};
    }
}

[[nodiscard]] double share(unsigned per_mille) {
    return per_mille / 1000.0;
}

// None where there is nothing to compare.
[[nodiscard]] std::optional<double> rate_share(const Seen& seen, const tuner::Library::Answer& answer) {
    if (!seen.steady || !answer.found.is_known()) return {};
    return tuner::shadowed_share(answer.profile->sets, *seen.steady);
}

[[nodiscard]] std::string_view verdict_of(double rates) {
    return rates >= tuner::least_shadowed_share ? "agree" : "do not agree";
}

[[nodiscard]] std::string as_table(const Seen& seen, const tuner::Library& library,
                                   const tuner::Library::Answer& answer) {
    const auto& found{answer.found};
    std::string out{fmt::format("L1       {}\n", seen.l1_name)};
    out += fmt::format("Type     {}\n", found.is_known() ? answer.type : "unknown");
    out += fmt::format("Mode     {}\n", vmcs::text(vmcs::mode_of(seen.fingerprint.controls)));
    out += fmt::format("Profile  {}\n", answer.profile == nullptr ? "none" : answer.profile->name);
    if (const auto rates{rate_share(seen, answer)}; rates) {
        out += fmt::format("Rates    {}: it takes {:.1f} % of the accesses in steady round trips\n",
                           verdict_of(*rates), 100 * *rates);
    }
    if (seen.live && seen.live->verdict != link::Verdict::none) {
        out += fmt::format("L0       {}, profile {}\n",
                           seen.live->verdict == link::Verdict::recognised ? seen.live->type : "unknown",
                           seen.live->profile.empty() ? "none" : seen.live->profile);
    }
    out += fmt::format("\nAlike, of 1.000; known from {:.3f} on, and {:.3f} ahead of any other type:\n",
                       share(vmcs::least_similarity), share(vmcs::least_margin));
    Table table{{{"profile", Table::Align::left},
                 {"type", Table::Align::left},
                 {"mode", Table::Align::left},
                 {"alike"},
                 {"written"},
                 {"order"},
                 {"read"}}};
    for (const tuner::Profile& profile : library.profiles()) {
        for (const vmcs::Fingerprint& fingerprint : profile.fingerprints) {
            const auto alike{vmcs::compare(seen.fingerprint, fingerprint)};
            const auto cell{[](unsigned value) { return fmt::format("{:.3f}", share(value)); }};
            table.add({profile.name, profile.l1_type,
                       std::string{vmcs::text(vmcs::mode_of(fingerprint.controls))}, cell(alike.overall),
                       cell(alike.written), cell(alike.order), cell(alike.read)});
        }
    }
    return out + table.text();
}

[[nodiscard]] std::string as_json(const Seen& seen, const tuner::Library::Answer& answer) {
    const auto& found{answer.found};
    Json json{{"l1", seen.l1_name},
              {"known", found.is_known()},
              {"type", found.is_known() ? Json(answer.type) : Json(nullptr)},
              {"mode", vmcs::text(vmcs::mode_of(seen.fingerprint.controls))},
              {"profile", answer.profile == nullptr ? Json(nullptr) : Json(answer.profile->name)},
              {"nearest", answer.type},
              {"similarity", share(found.similarity)},
              {"runner_up", answer.runner_up.empty() ? Json(nullptr) : Json(answer.runner_up)},
              {"runner_up_similarity", share(found.runner_up_similarity)},
              {"rates", nullptr},
              {"l0", nullptr}};
    if (const auto rates{rate_share(seen, answer)}; rates) {
        json["rates"] = {{"agree", *rates >= tuner::least_shadowed_share}, {"shadowed_share", *rates}};
    }
    if (seen.live && seen.live->verdict != link::Verdict::none) {
        json["l0"] = {{"known", seen.live->verdict == link::Verdict::recognised},
                      {"nearest", seen.live->type},
                      {"profile", seen.live->profile.empty() ? Json(nullptr) : Json(seen.live->profile)}};
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[nodiscard]] int run(const Options& options) {
    if (options.database.empty() == options.connection.link.empty())
        return fail(ExitCode::usage, "give a recording, or --link for a running VMM");
    const auto library{tuner::Library::load(options.library)};
    if (!library) return fail(ExitCode::bad_input, library.error().message);
    const Interrupt interrupt{};
    const auto seen{options.database.empty() ? from_link(options, interrupt) : from_recording(options)};
    if (!seen) return fail(seen.error());
    const auto answer{library.value().recognise(seen.value().fingerprint)};
    fmt::print("{}", options.format == "json" ? as_json(seen.value(), answer)
                                              : as_table(seen.value(), library.value(), answer));
    if (const int printed{finish_output()}; printed != 0) return printed;
    return to_int(answer.found.is_known() ? ExitCode::ok : ExitCode::differs);
}

} // namespace

void add_identify_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("identify", "Tell which known L1 it is, from a recording or a running VMM")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("database", options->database,
                     "File made by 'shadowtune record'; FILE:RECORDING picks one of a file's recordings");
    verb->add_option("--recording", options->recording, "Its number in the file (default: the newest)")
        ->check(above_zero());
    add_connection_options(*verb, options->connection);
    verb->get_option("--link")->required(false);
    verb->add_option("--wait", options->wait_s, "With --link: wait so many seconds for L1's first L2")
        ->check(between(0, 86400));
    verb->add_option("--library", options->library, "The directory of profiles to compare with")
        ->capture_default_str();
    verb->add_option("--format", options->format, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    verb->footer(
        "Ends with 0 where the L1 is known, with 1 where it is unknown. docs/profiles.md explains the\n"
        "figures.\n\n"
        "Examples:\n"
        "  shadowtune identify zoo.db\n"
        "  shadowtune identify --link /tmp/lab.sock --wait 300 --format json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
