// `shadowtune`: the verbs, each in its own file.

#include "cli/console.hpp"
#include "cli/lab_run.hpp"
#include "cli/verbs.hpp"

#include <cstdio>
#include <exception>

namespace {

namespace cli = shadowtune::cli;

[[nodiscard]] int run(int argc, char** argv) {
    CLI::App app{"Measures, tunes and reloads Intel VMCS shadowing for real L1 hypervisors", "shadowtune"};
    app.require_subcommand(1);
    app.set_version_flag("--version", "shadowtune " SHADOWTUNE_VERSION);
    app.footer("'shadowtune VERB --help' explains a verb. Exit codes: 0 done, 1 the answer is no, 2 usage, 3 "
               "bad input file,\n"
               "4 VMM not reachable, 5 refused by L0, 6 something is not installed, 7 output not writable, "
               "130 interrupted.");
    int exit_code{cli::to_int(cli::ExitCode::ok)};
    cli::add_record_verb(app, exit_code);
    cli::add_report_verb(app, exit_code);
    cli::add_tune_verb(app, exit_code);
    cli::add_apply_verb(app, exit_code);
    cli::add_autotune_verb(app, exit_code);
    cli::add_status_verb(app, exit_code);
    cli::add_compare_verb(app, exit_code);
    cli::add_diff_verb(app, exit_code);
    cli::add_calibrate_verb(app, exit_code);
    cli::add_simulate_verb(app, exit_code);
    cli::add_export_verb(app, exit_code);
    cli::add_identify_verb(app, exit_code);
    cli::add_import_verb(app, exit_code);
    cli::add_save_verbs(app, exit_code);
    cli::add_info_verb(app, exit_code);
    cli::add_lab_verbs(app, exit_code);
    cli::add_version_verb(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // CLI11 has a code of its own for each kind of mistake; to the caller they are one.
        return app.exit(error) == 0 ? cli::finish_output() : cli::to_int(cli::ExitCode::usage);
    }
    return exit_code;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        // What prints throws where it cannot: a full disk is no mistake of shadowtune's.
        if (std::ferror(stdout) != 0) return cli::finish_output();
        return cli::fail(cli::ExitCode::internal, error.what());
    }
}
