#include "hypervisor/shadow/library.hpp"
#include "tests/vmcs/random_fingerprint.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace shadowtune::shadow {
namespace {

using Bytes = std::vector<std::uint8_t>;
using link::CommandStatus;
using vmcs::Fingerprint;

[[nodiscard]] link::ProfileImage image_of(const std::string& name) {
    link::ProfileImage image{};
    image.magic = link::profile_magic;
    image.catalogue_version = vmcs::catalogue_version;
    vmcs::FieldSet read{};
    read.set(vmcs::Field::guest_rip);
    read.set(vmcs::Field::guest_rsp);
    read.store(image.read);
    std::memcpy(image.name, name.data(), name.size());
    return image;
}

template <typename Record>
[[nodiscard]] Bytes bytes_of(const Record& record) {
    Bytes bytes(sizeof(record));
    std::memcpy(bytes.data(), &record, sizeof(record));
    return bytes;
}

[[nodiscard]] Bytes typed(const std::string& type, const link::ProfileImage& image,
                          const std::vector<Fingerprint>& prints) {
    link::TypedProfile head{link::typed_profile_magic, static_cast<std::uint32_t>(prints.size()), {}, image};
    std::memcpy(head.type, type.data(), std::min(type.size(), sizeof(head.type)));
    Bytes bytes{bytes_of(head)};
    for (const Fingerprint& print : prints) {
        Bytes packed(link::max_fingerprint);
        packed.resize(link::pack(print, packed));
        bytes.insert(bytes.end(), packed.begin(), packed.end());
    }
    return bytes;
}

class LibraryTest : public ::testing::Test {
protected:
    void add(const Bytes& bytes) {
        const auto added{library->add(bytes)};
        ASSERT_TRUE(added.ok());
        EXPECT_EQ(added.value(), bytes.size());
    }
    [[nodiscard]] CommandStatus refusal(const Bytes& bytes) {
        const auto added{library->add(bytes)};
        return added ? CommandStatus::done : added.error();
    }
    [[nodiscard]] std::string picked(const Fingerprint& print) {
        const auto* const image{library->pick(print, outcome)};
        return image == nullptr ? std::string{} : std::string{image->name};
    }
    [[nodiscard]] Fingerprint random_print() { return vmcs::testing::random_fingerprint(random); }

    std::mt19937_64 random{1};
    std::unique_ptr<Library> library{std::make_unique<Library>()};
    link::RecognitionOutcome outcome{};
};

TEST_F(LibraryTest, PicksTheProfileOfTheType) {
    const Fingerprint kvm{random_print()}, newer_kvm{random_print()}, xen{random_print()};
    add(typed("kvm", image_of("kvm-ept"), {kvm, newer_kvm}));
    add(typed("xen", image_of("xen-ept"), {xen}));
    add(bytes_of(image_of("universal")));
    EXPECT_TRUE(library->has_fingerprints());
    EXPECT_EQ(picked(kvm), "kvm-ept");
    EXPECT_EQ(picked(newer_kvm), "kvm-ept");
    EXPECT_EQ(outcome.verdict, static_cast<std::uint8_t>(link::Verdict::recognised));
    EXPECT_STREQ(outcome.type, "kvm");
    EXPECT_STREQ(outcome.runner_up, "xen");
    EXPECT_EQ(std::uint16_t{outcome.similarity}, 1000);
    EXPECT_EQ(picked(xen), "xen-ept");
    EXPECT_STREQ(outcome.type, "xen");
}

TEST_F(LibraryTest, StrangersGetTheirOwnOrNone) {
    add(typed("kvm", image_of("kvm-ept"), {random_print()}));
    EXPECT_EQ(picked(random_print()), "");
    EXPECT_EQ(outcome.verdict, static_cast<std::uint8_t>(link::Verdict::unknown));
    add(typed("", image_of("universal"), {}));
    EXPECT_EQ(picked(random_print()), "universal");
    EXPECT_EQ(outcome.verdict, static_cast<std::uint8_t>(link::Verdict::unknown));
    EXPECT_STREQ(outcome.type, "kvm") << "the nearest";
}

TEST_F(LibraryTest, WithoutFingerprintsNothingIsPicked) {
    EXPECT_EQ(library->for_strangers(), nullptr);
    add(bytes_of(image_of("first")));
    add(bytes_of(image_of("second")));
    EXPECT_FALSE(library->has_fingerprints());
    EXPECT_STREQ(library->for_strangers()->name, "second") << "the last one counts";
    EXPECT_EQ(picked(random_print()), "");
    EXPECT_EQ(outcome.verdict, static_cast<std::uint8_t>(link::Verdict::none));
}

// As it comes over the link: the same profile once with each fingerprint.
TEST_F(LibraryTest, OneProfileMayComeInPieces) {
    std::vector<Fingerprint> prints{};
    for (std::size_t i{0}; i < Library::most_profiles + 5; ++i) {
        prints.push_back(random_print());
        add(typed("kvm", image_of("kvm-ept"), {prints.back()}));
    }
    for (const Fingerprint& print : prints)
        EXPECT_EQ(picked(print), "kvm-ept");
    library->clear();
    EXPECT_FALSE(library->has_fingerprints());
    EXPECT_EQ(picked(prints[0]), "");
}

TEST_F(LibraryTest, WhatDoesNotFitIsRefusedAndAddsNothing) {
    for (std::size_t i{0}; i < Library::most_profiles; ++i)
        add(typed("t" + std::to_string(i), image_of("p" + std::to_string(i)), {random_print()}));
    EXPECT_EQ(refusal(typed("more", image_of("more"), {random_print()})), CommandStatus::no_room);
    const Fingerprint print{random_print()};
    const std::vector<Fingerprint> many(Library::most_fingerprints, print);
    EXPECT_EQ(refusal(typed("t0", image_of("p0"), many)), CommandStatus::no_room);
    EXPECT_NE(picked(print), "p0");
}

TEST_F(LibraryTest, WhatIsWrongIsRefusedAndAddsNothing) {
    const Bytes good{typed("kvm", image_of("kvm-ept"), {random_print(), random_print()})};
    for (std::size_t size{0}; size < good.size(); ++size)
        EXPECT_EQ(refusal({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}),
                  CommandStatus::malformed)
            << size;
    EXPECT_EQ(refusal(typed("", image_of("kvm"), {random_print()})), CommandStatus::malformed) << "no type";
    link::ProfileImage image{image_of("other")};
    image.catalogue_version ^= 1;
    EXPECT_EQ(refusal(bytes_of(image)), CommandStatus::other_catalogue);
    EXPECT_EQ(refusal(typed("kvm", image, {random_print()})), CommandStatus::other_catalogue);
    image = image_of("beyond");
    image.read[vmcs::FieldSet::words - 1] = ~std::uint64_t{0};
    EXPECT_EQ(refusal(bytes_of(image)), CommandStatus::malformed);
    EXPECT_FALSE(library->has_fingerprints());
    EXPECT_EQ(library->for_strangers(), nullptr);
    add(good);
}

// Made on a processor with more fields.
TEST(Fitted, LeavesOutWhatIsNotAllowedHere) {
    vmcs::ProfileTarget target{};
    target.offered.set(vmcs::Field::guest_rip);
    const link::ProfileImage fit{fitted(image_of("p"), target)};
    EXPECT_TRUE(vmcs::FieldSet::load(fit.read).test(vmcs::Field::guest_rip));
    EXPECT_EQ(vmcs::FieldSet::load(fit.read).count(), 1U);
    EXPECT_STREQ(fit.name, "p");
}

} // namespace
} // namespace shadowtune::shadow
