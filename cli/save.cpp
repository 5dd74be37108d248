// `shadowtune save`, `restart` and `restore`: an L1 taken out of a VMM and put into another.

#include "cli/connection.hpp"
#include "cli/saved_file.hpp"
#include "cli/verbs.hpp"
#include "tuner/atomic_file.hpp"

#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    std::string file;
    bool keep_running{false};
    ConnectionOptions connection;
};

[[nodiscard]] std::string_view as_text(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] int run_save(const Options& options) {
    if (const auto good{tuner::check_replaceable(options.file)}; !good)
        return fail(ExitCode::output_failed, good.error());
    const Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    link::Session& session{*connected.value()};
    const auto blob{session.save()};
    if (!blob) return fail(to_cli_error(blob.error()));
    const auto state{check_saved(options.file, blob.value())};
    if (!state) return fail(ExitCode::internal, state.error().message);
    if (const auto written{tuner::write_atomically(options.file, as_text(blob.value()))}; !written) {
        note("L1 is stopped and still saved in the VMM: save again, elsewhere");
        return fail(ExitCode::output_failed, written.error());
    }
    if (options.keep_running) {
        const auto released{session.release(blob.value(), link::ReleaseAction::resume)};
        if (!released) return fail(to_cli_error(released.error()));
    }
    fmt::print("Saved       {} bytes, {} vCPU{}, {}\n", grouped(blob.value().size()), state.value().vcpus(),
               state.value().vcpus() == 1 ? "" : "s", describe_mode(state.value().vcpu(0)));
    fmt::print("L1          {}\n", options.keep_running ? "runs on" : "is stopped");
    return finish_output();
}

[[nodiscard]] int run_restart(const Options& options) {
    const auto blob{read_saved(options.file)};
    if (!blob) return fail(blob.error());
    const Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    const auto released{connected.value()->release(blob.value(), link::ReleaseAction::restart)};
    if (!released) return fail(to_cli_error(released.error()));
    fmt::print("VMM         started anew, waits for its L1\n");
    return finish_output();
}

[[nodiscard]] int run_restore(const Options& options) {
    const auto blob{read_saved(options.file)};
    if (!blob) return fail(blob.error());
    const Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    const auto restored{connected.value()->restore(blob.value())};
    if (!restored) return fail(to_cli_error(restored.error()));
    fmt::print("Restored    {} bytes; L1 runs\n", grouped(blob.value().size()));
    return finish_output();
}

} // namespace

void add_save_verbs(CLI::App& app, int& exit_code) {
    const auto add{[&](const char* name, const char* what, const char* file_is, int (*run)(const Options&)) {
        auto* verb{app.add_subcommand(name, what)};
        const auto options{std::make_shared<Options>()};
        verb->add_option("file", options->file, file_is)->required();
        add_connection_options(*verb, options->connection);
        verb->callback([options, run, &exit_code] { exit_code = run(*options); });
        return std::pair{verb, options};
    }};
    const auto [save, save_options]{add(
        "save", "Stop L1 and save its whole state, but for memory and devices", "File to write", run_save)};
    save->add_flag("--keep-running", save_options->keep_running,
                   "Let L1 go on; the file is for 'shadowtune info' then, L1's memory runs away from it");
    save->footer(
        "L1 stands still afterwards; the VMM keeps its state until 'shadowtune restart', and a second\n"
        "save with --keep-running lets it go on.\n\n"
        "Examples:\n"
        "  shadowtune save l1.state --link /tmp/lab.sock\n"
        "  shadowtune restart l1.state --link /tmp/lab.sock\n"
        "  shadowtune restore l1.state --link /tmp/lab.sock");
    add("restart", "Start the VMM anew once its L1 is saved; L1's memory stays",
        "File made by 'shadowtune save', the last one", run_restart);
    add("restore", "Bring a saved L1 into a VMM that waits for it; L1 goes on",
        "File made by 'shadowtune save'", run_restore);
}

} // namespace shadowtune::cli
