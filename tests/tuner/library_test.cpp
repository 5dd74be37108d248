// Libraries of profiles, and the one that ships.

#include "link/recognition_messages.hpp"
#include "tests/tuner/sample_profile.hpp"
#include "tests/vmcs/random_fingerprint.hpp"
#include "tuner/library.hpp"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <set>

namespace shadowtune {
namespace {

using tuner::Library;
using tuner::Profile;

[[nodiscard]] Profile profile_of(const std::string& name, const std::string& type,
                                 std::vector<vmcs::Fingerprint> prints) {
    Profile profile{test::sample_profile()};
    profile.name = name;
    profile.l1_type = type;
    profile.fingerprints = std::move(prints);
    return profile;
}

class LibraryFiles : public ::testing::Test {
protected:
    void write(const Profile& profile) {
        ASSERT_TRUE(tuner::save_profile(profile, m_folder / (profile.name + ".json")).ok());
    }
    [[nodiscard]] std::string refusal() {
        const auto library{Library::load(m_folder.path())};
        return library ? std::string{} : library.error().message;
    }
    [[nodiscard]] vmcs::Fingerprint random_print() { return vmcs::testing::random_fingerprint(random); }

    test::TemporaryFolder m_folder;
    std::mt19937_64 random{1};
};

TEST_F(LibraryFiles, AreRead) {
    const vmcs::Fingerprint kvm{random_print()}, xen{random_print()}, stranger{random_print()};
    write(profile_of("kvm-ept", "kvm", {kvm}));
    write(profile_of("xen-ept", "xen", {xen}));
    write(profile_of("universal", "", {}));
    std::filesystem::create_directory(m_folder / "workloads");
    std::ofstream{m_folder / "workloads" / "x.json"} << "no profile";
    std::ofstream{m_folder / "README"} << "no profile";
    const auto library{Library::load(m_folder.path())};
    ASSERT_TRUE(library.ok()) << library.error().message;
    EXPECT_EQ(library.value().profiles().size(), 3U);
    const auto answer{library.value().recognise(xen)};
    EXPECT_EQ(answer.type, "xen");
    EXPECT_EQ(answer.runner_up, "kvm");
    ASSERT_NE(answer.profile, nullptr);
    EXPECT_EQ(answer.profile->name, "xen-ept");
    const auto unknown{library.value().recognise(stranger)};
    EXPECT_FALSE(unknown.found.is_known());
    ASSERT_NE(unknown.profile, nullptr);
    EXPECT_EQ(unknown.profile->name, "universal");
}

TEST_F(LibraryFiles, ThatAreWrongAreTold) {
    EXPECT_NE(refusal().find("no profile"), std::string::npos) << refusal();
    write(profile_of("one", "", {}));
    EXPECT_EQ(refusal(), "");
    write(profile_of("two", "", {}));
    EXPECT_NE(refusal().find("two.json is a second profile"), std::string::npos) << refusal();
    std::filesystem::remove(m_folder / "two.json");
    std::ofstream{m_folder / "broken.json"} << "{";
    EXPECT_NE(refusal().find("broken.json"), std::string::npos) << refusal();
    EXPECT_FALSE(Library::load(m_folder / "nowhere").ok());
}

TEST(Library, SharesAreOfAccessesInRoundTrips) {
    tuner::Workload workload{};
    const auto rip{vmcs::index_of(vmcs::Field::guest_rip)}, rsp{vmcs::index_of(vmcs::Field::guest_rsp)};
    vmcs::ShadowSets sets{};
    EXPECT_EQ(tuner::shadowed_share(sets, workload), 0);
    workload.fields[rip] = {100, 100, 30, 20};
    workload.fields[rsp] = {900, 900, 40, 10};
    sets.read.set(rip);
    sets.write.set(rip);
    sets.read.set(rsp);
    EXPECT_DOUBLE_EQ(tuner::shadowed_share(sets, workload), 0.9);
}

// In pieces or whole, it is one type, one image and all fingerprints.
TEST(Library, ModulesHaveWhatTheProfileHas) {
    std::mt19937_64 random{2};
    std::vector<vmcs::Fingerprint> prints{};
    for (int i{0}; i < 3; ++i)
        prints.push_back(vmcs::testing::random_fingerprint(random));
    const Profile profile{profile_of("kvm-ept", "kvm", prints)};
    const auto read{[&](const std::vector<std::byte>& bytes) {
        link::TypedProfile head{};
        std::memcpy(&head, bytes.data(), sizeof(head));
        EXPECT_EQ(std::uint32_t{head.magic}, link::typed_profile_magic);
        EXPECT_STREQ(head.type, "kvm");
        EXPECT_STREQ(head.image.name, "kvm-ept");
        std::vector<vmcs::Fingerprint> found(head.fingerprints);
        std::span<const std::uint8_t> rest{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
        rest = rest.subspan(sizeof(head));
        for (auto& print : found)
            rest = rest.subspan(link::unpack(rest, print));
        EXPECT_TRUE(rest.empty());
        return found;
    }};
    EXPECT_EQ(read(tuner::to_module(profile)), prints);
    const auto pieces{tuner::to_module_pieces(profile)};
    ASSERT_EQ(pieces.size(), prints.size());
    for (std::size_t i{0}; i < pieces.size(); ++i) {
        EXPECT_LE(pieces[i].size() + sizeof(link::AddProfile), link::max_payload);
        EXPECT_EQ(read(pieces[i]), std::vector{prints[i]});
    }
    EXPECT_EQ(tuner::to_module_pieces(profile_of("universal", "", {})).at(0).size(),
              sizeof(link::ProfileImage));
}

class ShippedLibrary : public ::testing::Test {
protected:
    ShippedLibrary() {
        auto loaded{Library::load(LIBRARY_FOLDER)};
        EXPECT_TRUE(loaded.ok()) << loaded.error().message;
        if (loaded) profiles = loaded.value().profiles();
    }

    std::vector<Profile> profiles;
};

TEST_F(ShippedLibrary, KnowsEachOfItsOwn) {
    const Library library{profiles};
    std::set<std::string> types{};
    for (const Profile& profile : profiles) {
        for (const auto& print : profile.fingerprints) {
            const auto answer{library.recognise(print)};
            EXPECT_TRUE(answer.found.is_known()) << profile.name;
            EXPECT_EQ(answer.type, profile.l1_type);
            EXPECT_EQ(answer.profile->name, profile.name);
            types.insert(profile.l1_type);
        }
    }
    EXPECT_EQ(types, (std::set<std::string>{"bitvisor", "kvm", "shadowtune", "xen"}));
    ASSERT_NE(library.for_strangers(), nullptr);
    EXPECT_EQ(library.for_strangers()->name, "universal");
}

TEST_F(ShippedLibrary, CallsEachTypeUnknownThatItLacks) {
    for (const Profile& left_out : profiles) {
        if (left_out.fingerprints.empty()) continue;
        std::vector<Profile> others{};
        for (const Profile& profile : profiles) {
            if (profile.l1_type != left_out.l1_type) others.push_back(profile);
        }
        const Library library{others};
        for (const auto& print : left_out.fingerprints) {
            const auto answer{library.recognise(print)};
            EXPECT_FALSE(answer.found.is_known()) << left_out.name << " taken for " << answer.type;
            EXPECT_EQ(answer.profile, library.for_strangers());
        }
    }
}

// Versions and user spaces of one hypervisor are told by each other's fingerprints.
TEST_F(ShippedLibrary, KnowsAnL1WithoutItsOwnFingerprint) {
    std::size_t tried{0};
    for (std::size_t i{0}; i < profiles.size(); ++i) {
        if (profiles[i].l1_type != "kvm") continue;
        for (std::size_t k{0}; k < profiles[i].fingerprints.size(); ++k) {
            std::vector<Profile> others{profiles};
            auto& prints{others[i].fingerprints};
            prints.erase(prints.begin() + static_cast<std::ptrdiff_t>(k));
            if (prints.empty()) others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
            const auto answer{Library{others}.recognise(profiles[i].fingerprints[k])};
            EXPECT_TRUE(answer.found.is_known()) << profiles[i].name << " " << k;
            EXPECT_EQ(answer.type, "kvm");
            ++tried;
        }
    }
    EXPECT_GE(tried, 3U);
}

} // namespace
} // namespace shadowtune
