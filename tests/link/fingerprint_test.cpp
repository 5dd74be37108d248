#include "link/fingerprint.hpp"
#include "link/messages.hpp"
#include "tests/vmcs/random_fingerprint.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace shadowtune::link {
namespace {

using Bytes = std::vector<std::uint8_t>;

[[nodiscard]] Bytes packed(const vmcs::Fingerprint& print) {
    Bytes bytes(max_fingerprint);
    bytes.resize(pack(print, bytes));
    return bytes;
}

[[nodiscard]] vmcs::Fingerprint sample() {
    std::mt19937_64 random{7};
    return vmcs::testing::random_fingerprint(random);
}

// Replaces the first access's word.
[[nodiscard]] Bytes with_first(Bytes bytes, std::uint16_t word) {
    std::memcpy(bytes.data() + sizeof(FingerprintHead), &word, sizeof(word));
    return bytes;
}

[[nodiscard]] std::size_t unpacked(const Bytes& bytes) {
    vmcs::Fingerprint print{};
    return unpack(bytes, print);
}

TEST(Fingerprint, ComesBack) {
    std::mt19937_64 random{1};
    for (int i{0}; i < 100; ++i) {
        const vmcs::Fingerprint print{vmcs::testing::random_fingerprint(random)};
        Bytes bytes{packed(print)};
        bytes.push_back(0xEE); // the next one
        vmcs::Fingerprint read{};
        EXPECT_EQ(unpack(bytes, read), bytes.size() - 1);
        EXPECT_EQ(read, print);
    }
}

TEST(Fingerprint, TheLargestFitsAMessage) {
    vmcs::Fingerprint print{};
    print.offered = vmcs::testing::all_fields();
    for (const bool write : {true, false}) {
        for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
            print.add({i, write});
    }
    EXPECT_EQ(packed(print).size(), max_fingerprint);
    EXPECT_LE(max_fingerprint, max_payload);
    Bytes small(max_fingerprint - 1);
    EXPECT_EQ(pack(print, small), 0U);
}

TEST(Fingerprint, EveryCutIsRefused) {
    const Bytes bytes{packed(sample())};
    for (std::size_t size{0}; size < bytes.size(); ++size)
        EXPECT_EQ(unpacked({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}), 0U) << size;
}

TEST(Fingerprint, WhatHasNoMeaningIsRefused) {
    const Bytes good{packed(sample())};
    ASSERT_EQ(unpacked(good), good.size());
    EXPECT_EQ(unpacked(with_first(good, 0x7FFE)), 0U) << "no such field";
    EXPECT_EQ(unpacked(with_first(good, 0x2001)), 0U) << "a high half";
    std::uint16_t second{};
    std::memcpy(&second, good.data() + sizeof(FingerprintHead) + 2, sizeof(second));
    EXPECT_EQ(unpacked(with_first(good, second)), 0U) << "twice";
    Bytes none_offered{good};
    std::memset(none_offered.data(), 0, sizeof(FingerprintHead::offered));
    EXPECT_EQ(unpacked(none_offered), 0U) << "not offered";
    Bytes beyond{good};
    std::memset(beyond.data(), 0xFF, sizeof(FingerprintHead::offered));
    EXPECT_EQ(unpacked(beyond), 0U) << "fields beyond the catalogue";
}

} // namespace
} // namespace shadowtune::link
