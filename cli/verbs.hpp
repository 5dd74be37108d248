#pragma once

// One function per verb: adds it to the program; when the verb has run, `exit_code` holds its code.

#include <CLI/CLI.hpp>

namespace shadowtune::cli {

void add_apply_verb(CLI::App& app, int& exit_code);
void add_autotune_verb(CLI::App& app, int& exit_code);
void add_calibrate_verb(CLI::App& app, int& exit_code);
void add_compare_verb(CLI::App& app, int& exit_code);
void add_diff_verb(CLI::App& app, int& exit_code);
void add_export_verb(CLI::App& app, int& exit_code);
void add_identify_verb(CLI::App& app, int& exit_code);
void add_import_verb(CLI::App& app, int& exit_code);
void add_info_verb(CLI::App& app, int& exit_code);
void add_record_verb(CLI::App& app, int& exit_code);
void add_report_verb(CLI::App& app, int& exit_code);
void add_simulate_verb(CLI::App& app, int& exit_code);
// save, restart and restore.
void add_save_verbs(CLI::App& app, int& exit_code);
void add_status_verb(CLI::App& app, int& exit_code);
void add_tune_verb(CLI::App& app, int& exit_code);
void add_version_verb(CLI::App& app, int& exit_code);

} // namespace shadowtune::cli
