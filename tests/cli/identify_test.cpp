// identify, and apply --library: from a recording and against the fake VMM.

#include "tests/cli/run_program.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/link/host/fake_vmm.hpp"
#include "tests/vmcs/random_fingerprint.hpp"
#include "tuner/profile_file.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using link::test::FakeOptions;
using link::test::FakeVmm;
using test::Outcome;
using test::run_program;
using Json = nlohmann::json;

class Identify : public ::testing::Test {
protected:
    void SetUp() override {
        std::filesystem::create_directory(m_folder / "library");
        add("kvm-ept", "kvm", {m_kvm});
        add("xen-ept", "xen", {m_xen});
    }

    void add(const std::string& name, const std::string& type, std::vector<vmcs::Fingerprint> prints) {
        tuner::Profile profile{};
        profile.name = name;
        profile.l1_type = type;
        profile.sets = test::tuned_profile();
        profile.fingerprints = std::move(prints);
        const std::filesystem::path file{m_folder / "library" / (name + ".json")};
        ASSERT_TRUE(tuner::save_profile(profile, file).ok());
    }

    [[nodiscard]] std::string record(const std::optional<db::Fingerprint>& print) {
        std::string file{(m_folder / "a.db").string()};
        auto database{db::Database::open(file, db::OpenMode::append)};
        EXPECT_TRUE(database.ok());
        auto writer{
            db::RecordingWriter::begin(database.value(), test::sample_machine(), test::sample_labels(), 1)};
        EXPECT_TRUE(writer.ok());
        EXPECT_TRUE(!print || writer.value().fingerprint(*print).ok());
        for (const std::uint64_t rounds : {10U, 20U, 110U})
            EXPECT_TRUE(writer.value().add_snapshot(test::sample_snapshot(rounds)).ok());
        return file;
    }

    [[nodiscard]] Outcome identify(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "identify");
        arguments.insert(arguments.end(), {"--library", (m_folder / "library").string()});
        return run_program(arguments);
    }

    // As on the sample's machine.
    [[nodiscard]] vmcs::Fingerprint on_sample_machine(const vmcs::Fingerprint& print) const {
        vmcs::Fingerprint there{};
        there.offered = test::sample_machine().offered_fields;
        there.controls = print.controls;
        for (std::size_t i{0}; i < print.size(); ++i) {
            if (there.offered.test(print[i].field)) there.add(print[i]);
        }
        return there;
    }

    std::mt19937_64 m_random{1};
    vmcs::Fingerprint m_kvm{vmcs::testing::random_fingerprint(m_random)};
    vmcs::Fingerprint m_xen{vmcs::testing::random_fingerprint(m_random)};
    test::TemporaryFolder m_folder;
};

TEST_F(Identify, KnowsTheL1OfARecording) {
    const std::string file{record(db::Fingerprint{false, on_sample_machine(m_xen)})};
    const Outcome json{identify({file, "--format", "json"})};
    EXPECT_EQ(json.code, 0) << json.err;
    const Json said(Json::parse(json.out));
    EXPECT_EQ(said["type"], "xen");
    EXPECT_EQ(said["profile"], "xen-ept");
    EXPECT_EQ(said["runner_up"], "kvm");
    EXPECT_EQ(said["similarity"], 1.0);
    EXPECT_TRUE(said["l0"].is_null());
    // What the sample's tuned profile takes of its accesses in round trips.
    EXPECT_TRUE(said["rates"]["shadowed_share"].is_number());
    const Outcome table{identify({file + ":1"})};
    EXPECT_EQ(table.code, 0) << table.err;
    EXPECT_NE(table.out.find("Type     xen\n"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("Profile  xen-ept\n"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("kvm-ept"), std::string::npos) << table.out;
}

TEST_F(Identify, CallsAStrangerUnknown) {
    const vmcs::Fingerprint stranger{vmcs::testing::random_fingerprint(m_random)};
    const std::string file{record(db::Fingerprint{false, on_sample_machine(stranger)})};
    const Outcome without{identify({file, "--format", "json"})};
    EXPECT_EQ(without.code, 1) << without.err;
    EXPECT_TRUE(Json::parse(without.out)["profile"].is_null());
    add("universal", "", {});
    const Outcome json{identify({file, "--format", "json"})};
    EXPECT_EQ(json.code, 1) << json.err;
    const Json said(Json::parse(json.out));
    EXPECT_EQ(said["known"], false);
    EXPECT_TRUE(said["type"].is_null());
    EXPECT_EQ(said["profile"], "universal");
    EXPECT_TRUE(said["rates"].is_null());
}

TEST_F(Identify, SaysWhyItCannotTell) {
    const std::string file{record({})};
    const Outcome none{identify({file})};
    EXPECT_EQ(none.code, 3);
    EXPECT_NE(none.err.find("no fingerprint"), std::string::npos) << none.err;
    EXPECT_EQ(record(db::Fingerprint{true, {}}), file);
    const Outcome hidden{identify({file})};
    EXPECT_EQ(hidden.code, 3);
    EXPECT_NE(hidden.err.find("a profile was in force"), std::string::npos) << hidden.err;
    EXPECT_EQ(identify({}).code, 2);
    EXPECT_EQ(identify({file, "--link", "nowhere"}).code, 2);
    EXPECT_EQ(run_program({"identify", file, "--library", (m_folder / "none").string()}).code, 3);
}

TEST_F(Identify, WaitsForARunningL1) {
    FakeOptions fake{};
    fake.fingerprint = m_kvm;
    FakeVmm vmm{fake};
    const std::string socket{(m_folder / "link").string()};
    vmm.listen_unix(socket);
    const Outcome early{identify({"--link", socket})};
    EXPECT_EQ(early.code, 3);
    EXPECT_NE(early.err.find("has run no L2 yet"), std::string::npos) << early.err;
    const Outcome json{identify({"--link", socket, "--wait", "60", "--format", "json"})};
    EXPECT_EQ(json.code, 0) << json.err;
    EXPECT_EQ(Json::parse(json.out)["type"], "kvm");
    EXPECT_TRUE(Json::parse(json.out)["l0"].is_null()) << "this VMM has no library";
}

TEST_F(Identify, ALibraryIsSentToTheVmm) {
    FakeVmm vmm{{}};
    const std::string socket{(m_folder / "link").string()};
    vmm.listen_unix(socket);
    const std::string library{(m_folder / "library").string()};
    const Outcome sent{run_program({"apply", "--library", library, "--link", socket})};
    EXPECT_EQ(sent.code, 0) << sent.err;
    EXPECT_NE(sent.out.find("2 profiles sent"), std::string::npos) << sent.out;
    EXPECT_EQ(vmm.generation(), 2U) << "a command each";
    EXPECT_EQ(run_program({"apply", "--link", socket}).code, 2);
}

} // namespace
} // namespace shadowtune
