// scripts/make-profiles changes its directory on the way: folders that are named from here stay where they
// are.

#include "tests/db/sample_recording.hpp"

#include <cstdlib>
#include <gtest/gtest.h>

namespace shadowtune {
namespace {

void write_recording_with_fingerprint(const std::filesystem::path& file) {
    auto database{db::Database::open(file, db::OpenMode::append)};
    auto writer{
        db::RecordingWriter::begin(database.value(), test::sample_machine(), test::sample_labels(), 1)};
    vmcs::Fingerprint fingerprint{};
    fingerprint.offered = test::sample_machine().offered_fields;
    ASSERT_TRUE(writer.value().fingerprint({false, fingerprint}).ok());
    for (const std::uint64_t rounds : {10U, 110U})
        ASSERT_TRUE(writer.value().add_snapshot(test::sample_snapshot(rounds, db::Mode::trap)).ok());
}

TEST(MakeProfiles, FoldersMayBeRelative) {
    const test::TemporaryFolder folder{};
    std::filesystem::create_directory(folder / "work");
    write_recording_with_fingerprint(folder / "work/shadowtune.db");
    const std::string command{"cd '" + folder.path().string() +
                              "' && SHADOWTUNE='" SHADOWTUNE_PROGRAM "' '" MAKE_PROFILES
                              "' --tune-only --out out --work work 2> log"};
    EXPECT_EQ(std::system(command.c_str()), 0);
    for (const char* name : {"universal", "shadowtune-ept", "workloads/shadowtune-ept-steady"})
        EXPECT_TRUE(std::filesystem::exists(folder / ("out/" + std::string{name} + ".json"))) << name;
}

} // namespace
} // namespace shadowtune
