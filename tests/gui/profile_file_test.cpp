#include "gui/model/loader.hpp"
#include "gui/model/profile_document.hpp"
#include "tests/gui/tests.hpp"
#include "tests/tuner/sample_profile.hpp"
#include "tuner/decision.hpp"
#include "tuner/exports.hpp"
#include "tuner/library.hpp"
#include "tuner/mix.hpp"

#include <QTest>
#include <QUndoStack>
#include <fstream>
#include <iterator>

namespace shadowtune::gui {

namespace {

using vmcs::Field;

[[nodiscard]] std::filesystem::path shipped(const char* name) {
    return std::filesystem::path{LIBRARY_FOLDER} / name;
}

[[nodiscard]] std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

[[nodiscard]] tuner::Profile stored(const std::string& file) {
    auto loaded{tuner::load_profile(file)};
    return loaded ? std::move(loaded).value() : tuner::Profile{};
}

// A document in a folder of its own, without a recording at first.
struct Fixture {
    Fixture() = default;
    // A copy of it there, opened.
    [[nodiscard]] bool open(const std::filesystem::path& profile) {
        file = (folder / profile.filename().string()).string();
        std::filesystem::copy_file(profile, file);
        return document.load(file).ok();
    }
    [[nodiscard]] bool open(const tuner::Profile& profile) {
        file = (folder / (profile.name + ".json")).string();
        return tuner::save_profile(profile, file).ok() && document.load(file).ok();
    }
    void show_recording(db::Mode mode = db::Mode::trap) {
        const std::string recording{(folder / "a.db").string()};
        test::write_sample(recording, mode);
        // As of a recorder that met the profile in force.
        auto database{db::Database::open(recording, db::OpenMode::append)};
        if (!database.value().connection().execute("DELETE FROM generation_field").ok()) return;
        if (const auto read{source.read({recording, 0}, {})}; read) document.set_recording(read.value());
    }
    void toggle(Field field, bool writes = false) { document.toggle(vmcs::index_of(field), writes); }
    // What is in the file once the document is saved to where it came from.
    [[nodiscard]] tuner::Profile saved() {
        return document.save(file).ok() ? stored(file) : tuner::Profile{};
    }

    test::TemporaryFolder folder;
    std::string file;
    RecordingSource source;
    QUndoStack undo;
    ProfileDocument document{undo};
};

[[nodiscard]] vmcs::FieldIndex index(Field field) {
    return vmcs::index_of(field);
}

} // namespace

void ProfileFileTest::saved_unchanged_it_is_the_same_data() {
    QTest::addColumn<QString>("file");
    for (const auto& entry : std::filesystem::recursive_directory_iterator{LIBRARY_FOLDER}) {
        if (entry.path().extension() == ".json")
            QTest::newRow(entry.path().stem().c_str()) << QString::fromStdString(entry.path().string());
    }
}

void ProfileFileTest::saved_unchanged_it_is_the_same() {
    QFETCH(const QString, file);
    Fixture on{};
    on.show_recording();
    QVERIFY(on.open(std::filesystem::path{file.toStdString()}));
    QVERIFY(!on.document.is_modified());
    QVERIFY(on.document.save(on.file).ok());
    QCOMPARE(contents(on.file), contents(file.toStdString()));
}

void ProfileFileTest::a_name_of_its_own_stays() {
    Fixture on{};
    const std::string file{(on.folder / "copy.json").string()};
    std::filesystem::copy_file(shipped("kvm-ept.json"), file);
    QVERIFY(on.document.load(file).ok());
    QVERIFY(on.document.save(file).ok());
    QCOMPARE(stored(file).name, std::string{"kvm-ept"});
    QVERIFY(on.document.save((on.folder / "mine.json").string()).ok());
    QCOMPARE(on.document.name(), std::string{"mine"});
}

void ProfileFileTest::a_changed_field_keeps_whom_it_is_for() {
    Fixture on{};
    on.show_recording();
    QVERIFY(on.open(shipped("kvm-ept.json")));
    const tuner::Profile before{stored(on.file)};
    on.toggle(Field::exit_reason);
    const tuner::Profile after{on.saved()};
    QVERIFY(!(after.sets == before.sets));
    QCOMPARE(after.sets, on.document.sets());
    QVERIFY(after.fingerprints == before.fingerprints);
    QCOMPARE(after.fingerprints.size(), std::size_t{2});
    QCOMPARE(after.l1_type, std::string{"kvm"});
    QCOMPARE(after.l1_mode, std::string{"EPT"});
    QCOMPARE(after.l1_kind, before.l1_kind);
    QCOMPARE(after.l1_name, before.l1_name);
    QCOMPARE(after.workload, before.workload);
    QCOMPARE(after.cpu_brand, before.cpu_brand);
    QCOMPARE(after.origin.costs, std::string{"published"});
    QCOMPARE(after.origin.recordings.size(), before.origin.recordings.size());
    QCOMPARE(after.origin.recordings[1].workload, std::string{"mix"});
    QCOMPARE(after.rates.size(), before.rates.size());
}

void ProfileFileTest::what_held_for_other_sets_goes() {
    Fixture on{};
    QVERIFY(on.open(test::sample_profile()));
    QCOMPARE(on.document.profile().origin.objective, std::string{"minimax"});
    on.toggle(Field::exit_qualification);
    const tuner::Profile after{on.saved()};
    QVERIFY(!after.predicted.has_value());
    QCOMPARE(after.origin.objective, std::string{});
    QVERIFY(!after.origin.regret_lower_bound.has_value());
    for (const tuner::RecordingUsed& used : after.origin.recordings)
        QVERIFY(!used.regret.has_value());
    QVERIFY(after.origin.made_at != test::sample_profile().origin.made_at);
    QCOMPARE(after.curve.size(), test::sample_profile().curve.size()); // of the recordings, not of the sets
    QCOMPARE(after.rates.at(index(Field::guest_rip)).read_bounds->low, 0.69);
}

void ProfileFileTest::untouched_fields_stay_undecided() {
    Fixture on{};
    QVERIFY(on.open(test::sample_profile()));
    on.toggle(Field::exit_qualification);
    QCOMPARE(on.document.profile().undecided.size(), std::size_t{2});
    on.toggle(Field::ept_pointer);
    const tuner::Profile after{on.saved()};
    QCOMPARE(after.undecided.size(), std::size_t{1});
    QVERIFY(after.undecided.contains(index(Field::host_cr3)));
}

void ProfileFileTest::a_budget_stays_while_it_is_kept() {
    tuner::Profile loaded{test::sample_profile()};
    loaded.origin.budget_fields = loaded.sets.hot_set().count();
    Fixture on{};
    QVERIFY(on.open(loaded));
    on.toggle(Field::exit_reason);
    QCOMPARE(on.document.profile().origin.budget_fields, loaded.origin.budget_fields);
    QCOMPARE(on.document.profile().origin.budget_sync, loaded.origin.budget_sync);
    on.toggle(Field::guest_rsp); // one for the other: as many fields, but other copies
    QCOMPARE(on.document.profile().origin.budget_fields, loaded.origin.budget_fields);
    QVERIFY(!on.document.profile().origin.budget_sync.has_value());
    on.toggle(Field::exit_reason);
    QVERIFY(!on.saved().origin.budget_fields.has_value());
}

void ProfileFileTest::a_cold_field_is_not_listed_once_it_is_out() {
    tuner::Profile loaded{test::sample_profile()};
    loaded.rates[index(Field::host_rsp)] = {0, 0, {}, {}, tuner::FieldGain{-10, -17}};
    Fixture on{};
    QVERIFY(on.open(loaded));
    on.toggle(Field::host_rsp);
    on.toggle(Field::guest_rip);
    const tuner::Profile after{on.saved()};
    QVERIFY(!after.listed_fields().test(Field::host_rsp));
    QVERIFY2(after.listed_fields().test(Field::guest_rip), "L1 accesses it, and it traps");
}

void ProfileFileTest::undo_comes_back_to_what_was_loaded() {
    Fixture on{};
    on.toggle(Field::guest_rip);
    QVERIFY(on.open(shipped("kvm-ept.json")));
    const std::string loaded{contents(on.file)};
    on.toggle(Field::exit_reason);
    QVERIFY(on.document.is_modified());
    on.undo.undo();
    QVERIFY(!on.document.is_modified());
    QCOMPARE(tuner::to_json(on.document.profile()), loaded);
    on.undo.redo();
    QVERIFY(!on.saved().predicted.has_value());
    on.undo.undo();
    QVERIFY2(on.document.is_modified(), "the file has the other one");
    QVERIFY(on.document.save(on.file).ok());
    QCOMPARE(contents(on.file), loaded);
}

void ProfileFileTest::an_opening_is_undone_whole() {
    Fixture on{};
    on.toggle(Field::guest_rip);
    QVERIFY(on.open(shipped("kvm-ept.json")));
    on.undo.undo();
    QCOMPARE(on.document.file(), std::string{});
    QCOMPARE(on.document.name(), std::string{"new"});
    QVERIFY(on.document.profile().fingerprints.empty());
    QCOMPARE(on.document.sets().hot_set().count(), std::size_t{1});
    on.undo.redo();
    QCOMPARE(on.document.file(), on.file);
    QVERIFY(!on.document.is_modified());
    QCOMPARE(tuner::to_json(on.document.profile()), contents(on.file));
}

void ProfileFileTest::a_new_one_has_nothing_of_the_one_before() {
    Fixture on{};
    QVERIFY(on.open(shipped("kvm-ept.json")));
    on.document.start_anew();
    QVERIFY(!on.document.is_modified());
    QVERIFY(on.document.file().empty());
    QVERIFY(on.document.profile().fingerprints.empty());
    QVERIFY(on.document.export_note("module").contains("--l1-type"));
    on.undo.undo();
    QCOMPARE(tuner::to_json(on.document.profile()), contents(on.file));
}

void ProfileFileTest::an_edited_library_is_still_one() {
    Fixture on{};
    for (const auto& entry : std::filesystem::directory_iterator{LIBRARY_FOLDER}) {
        if (entry.is_regular_file() && entry.path().filename() != "kvm-ept.json")
            std::filesystem::copy_file(entry.path(), on.folder / entry.path().filename().string());
    }
    QVERIFY(on.open(shipped("kvm-ept.json")));
    on.toggle(Field::exit_reason);
    QVERIFY(on.document.save(on.file).ok());
    const auto edited{tuner::Library::load(on.folder.path())};
    QVERIFY2(edited.ok(), edited ? "" : edited.error().message.c_str());
    const auto answer{edited.value().recognise(stored(on.file).fingerprints.front())};
    QCOMPARE(answer.profile->name, std::string{"kvm-ept"});
}

void ProfileFileTest::the_boot_module_has_the_fingerprints() {
    Fixture on{};
    QVERIFY(on.open(shipped("kvm-ept.json")));
    on.toggle(Field::exit_reason);
    const std::string file{(on.folder / "kvm-ept.mod").string()};
    QVERIFY(on.document.write_as(file, "module").ok());
    tuner::Profile expected{stored(on.file)};
    expected.sets = on.document.sets();
    QCOMPARE(contents(file), tuner::to_module_bytes(expected));
    QVERIFY(contents(file).size() > tuner::to_image_bytes(expected).size());
    QVERIFY(on.document.export_note("module").isEmpty());
    QVERIFY(Fixture{}.document.export_note("image").isEmpty());
}

void ProfileFileTest::its_own_recording_predicts_anew() {
    Fixture on{};
    on.show_recording();
    on.document.take_optimum();
    on.file = (on.folder / "mine.json").string();
    tuner::Profile mine{on.saved()};
    QVERIFY(mine.predicted.has_value());
    mine.l1_type = "kvm";
    mine.fingerprints = test::sample_profile().fingerprints;
    mine.origin.recordings[0].phase = "steady";
    QVERIFY(on.open(mine));
    on.toggle(Field::exit_reason);
    const tuner::Profile after{on.saved()};
    QVERIFY(after.fingerprints == mine.fingerprints);
    QVERIFY(after.predicted->tuned.trapped_reads > mine.predicted->tuned.trapped_reads);
    QCOMPARE(after.origin.recordings[0].phase, std::string{"steady"});
    QVERIFY(*after.origin.recordings[0].regret > 0);
}

void ProfileFileTest::a_new_one_has_what_tune_tells() {
    Fixture on{};
    on.show_recording();
    const RecordingPtr recording{on.document.recording()};
    on.document.take_optimum();
    tuner::Profile made{on.document.profile()};
    const db::Labels labels{test::sample_labels()};
    QCOMPARE(made.l1_kind, labels.l1_kind);
    QCOMPARE(made.l1_name, labels.l1_name);
    QCOMPARE(made.workload, labels.workload);
    QCOMPARE(made.cpu_model, labels.cpu_model);
    QCOMPARE(made.cpu_brand, test::sample_machine().cpu_brand);
    QVERIFY2(made.l1_type.empty() && made.fingerprints.empty(), "no recording tells the type");
    QCOMPARE(made.origin.costs, std::string{"published"});
    QCOMPARE(made.origin.objective, std::string{"mean"});
    QVERIFY(!made.origin.budget_fields.has_value());
    QCOMPARE(made.origin.recordings.size(), std::size_t{1});
    QCOMPARE(made.origin.recordings[0].file, std::string{"a.db"});
    QCOMPARE(made.origin.recordings[0].round_trips, std::uint64_t{1000});
    QCOMPARE(*made.origin.recordings[0].regret, 0.0);
    QVERIFY(made.rates.contains(index(Field::guest_rip)));
    on.document.take_curve_point(1);
    made = on.document.profile();
    QCOMPARE(made.origin.budget_fields, std::optional<std::uint64_t>{made.sets.hot_set().count()});
    QCOMPARE(*made.origin.recordings[0].regret, 0.0);
    on.document.set_sets(test::tuned_profile(), "by hand");
    on.toggle(Field::guest_ldtr_base);
    made = on.document.profile();
    QCOMPARE(made.origin.objective, std::string{});
    QVERIFY2(*made.origin.recordings[0].regret > 0, "a field that L1 never accesses");
    QVERIFY(made.predicted->tuned.cost > 0);
}

void ProfileFileTest::a_new_one_of_a_sample_tells_how_sure_it_is() {
    Fixture on{};
    on.show_recording(db::Mode::sample);
    const RecordingData& recording{*on.document.recording()};
    const auto evidence{tuner::evidence_of(recording.totals, recording.unseen())};
    const auto unsure{tuner::decide(evidence, recording.costs, recording.machine.profile_target()).undecided};
    QVERIFY(!unsure.empty() && !recording.knows_in_force());
    vmcs::ShadowSets sets{};
    for (const tuner::Undecided& open : unsure)
        tuner::choose(sets, open.field, open.settled({}));
    on.document.set_sets(sets, "as estimated");
    tuner::Profile made{on.document.profile()};
    QCOMPARE(made.undecided.size(), unsure.size());
    QVERIFY(made.rates.at(index(Field::guest_rip)).read_bounds.has_value());
    on.document.toggle(unsure.front().field, false);
    made = on.document.profile();
    QVERIFY(!made.undecided.contains(unsure.front().field));
}

} // namespace shadowtune::gui
