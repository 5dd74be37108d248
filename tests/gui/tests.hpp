#pragma once

// The classes of tests of gui_tests.

#include <QObject>

namespace shadowtune::gui {

class FilterTest : public QObject {
    Q_OBJECT
private slots:
    void a_change_is_undone_and_redone();
    void typing_is_one_change();
    void a_chip_for_each_part_that_is_left_out();
    void a_removed_chip_comes_back_by_undo();
};

class HeatmapTest : public QObject {
    Q_OBJECT
private slots:
    void scales_grow_evenly_in_lightness();
    void rates_are_those_of_the_recording();
    void a_shadowed_access_is_not_taken_for_none();
    void time_adds_up_to_the_whole();
    void recordings_of_one_workload_are_weighted();
    void tuned_recordings_do_not_dilute_others();
    void rows_are_sorted_filtered_and_cold_ones_hidden();
    void like_fields_lie_beside_each_other();
    void the_model_is_a_model();
    void tooltips_tell_all();
    void csv_has_every_cell();
    void the_loader_answers_the_newest();
    void bad_files_are_refused_in_words();
};

class SampleTest : public QObject {
    Q_OBJECT
private slots:
    void rates_are_of_all_accesses();
    void rates_over_time_are_of_all_accesses();
    void a_mean_of_samples_has_an_interval();
};

class ProfileTest : public QObject {
    Q_OBJECT
private slots:
    void the_tree_is_a_model();
    void a_check_toggles_and_undo_takes_it_back();
    void writes_bring_reads_along();
    void a_broken_rule_is_told_in_words();
    void the_prediction_is_the_tuners();
    void the_budget_walks_the_curve();
    void what_is_saved_is_what_was_shown();
    void nothing_is_predicted_without_counts();
};

// A profile's file: opened, edited, saved.
class ProfileFileTest : public QObject {
    Q_OBJECT
private slots:
    void saved_unchanged_it_is_the_same_data();
    void saved_unchanged_it_is_the_same();
    void a_name_of_its_own_stays();
    void a_changed_field_keeps_whom_it_is_for();
    void what_held_for_other_sets_goes();
    void untouched_fields_stay_undecided();
    void a_budget_stays_while_it_is_kept();
    void a_cold_field_is_not_listed_once_it_is_out();
    void undo_comes_back_to_what_was_loaded();
    void an_opening_is_undone_whole();
    void a_new_one_has_nothing_of_the_one_before();
    void an_edited_library_is_still_one();
    void the_boot_module_has_the_fingerprints();
    void its_own_recording_predicts_anew();
    void a_new_one_has_what_tune_tells();
    void a_new_one_of_a_sample_tells_how_sure_it_is();
};

class CompareTest : public QObject {
    Q_OBJECT
private slots:
    void maps_have_the_same_rows_and_columns();
    void what_differs_is_found();
    void without_full_counts_nothing_is_tested();
    void bitmap_cells_are_the_pages_bits();
};

// The window as a person uses it, on made recordings and on one of each member of the zoo
// (tests/gui/recordings); where RECORDINGS names a folder, on each recording in it too; where LARGE_RECORDING
// names a file, on that.
class TourTest : public QObject {
    Q_OBJECT
private slots:
    void open_sort_filter_brush_toggle_undo_export_data();
    void open_sort_filter_brush_toggle_undo_export();
    void recordings_are_of_this_schema_data();
    void recordings_are_of_this_schema();
    void compare_two();
    void a_large_recording_is_quick();
};

class WindowTest : public QObject {
    Q_OBJECT
private slots:
    void every_command_is_in_the_palette();
    void keys_alone_are_enough();
    void trouble_is_told_in_place();
    void a_newer_recording_is_refused();
    void a_damaged_recording_is_no_crash();
    void wild_figures_are_no_crash_data();
    void wild_figures_are_no_crash();
    void a_recording_that_grows_is_followed();
    void decisions_are_shown();
    void decisions_are_marked_on_the_timeline();
};

class HabitsTest : public QObject {
    Q_OBJECT
private slots:
    void the_command_line_is_read();
    void what_is_shown_is_copied();
    void trees_are_tables_too();
    void cold_fields_are_left_out_of_the_profile_too();
    void two_profiles_are_compared();
    void the_grid_is_crisp_at_twice_the_scale();
    void commands_to_nobody_say_how_to_connect();
};

class LiveTest : public QObject {
    Q_OBJECT
private slots:
    void a_vmm_is_watched_and_tuned();
    void a_slow_vmm_is_tuned();
    void sampled_rates_come_with_intervals_data();
    void sampled_rates_come_with_intervals();
    void a_lost_link_loses_nothing();
    void a_bad_address_is_told();
    void the_zoos_list_is_read();
    void the_labs_words_tell_its_stage();
    // Where LAB_MEMBER names a member of the zoo, or is micro-l1.
    void a_lab_run_is_watched_and_tuned();
};

} // namespace shadowtune::gui
