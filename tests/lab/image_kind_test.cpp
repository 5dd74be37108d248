#include "lab/failure.hpp"
#include "lab/image_kind.hpp"

#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace shadowtune::lab {
namespace {

using Image = std::vector<std::byte>;

void put(Image& image, std::size_t at, std::uint32_t value) {
    std::memcpy(image.data() + at, &value, sizeof value);
}

[[nodiscard]] Image bzimage() {
    Image image(4096);
    image[0x1FE] = std::byte{0x55};
    image[0x1FF] = std::byte{0xAA};
    std::memcpy(image.data() + 0x202, "HdrS", 4);
    image[0x211] = std::byte{1};
    return image;
}

[[nodiscard]] Image multiboot1_at(std::size_t at) {
    Image image(image_head_bytes);
    put(image, at, 0x1BADB002);
    put(image, at + 4, 3);
    put(image, at + 8, 0U - 0x1BADB002U - 3U);
    return image;
}

[[nodiscard]] Image multiboot2_at(std::size_t at) {
    Image image(image_head_bytes);
    put(image, at, 0xE85250D6);
    put(image, at + 4, 0);
    put(image, at + 8, 24);
    put(image, at + 12, 0U - 0xE85250D6U - 24U);
    return image;
}

TEST(ImageKind, linux_needs_every_sign) {
    EXPECT_EQ(image_kind(bzimage()), ImageKind::linux_bzimage);
    auto image = bzimage();
    // What remains is a boot sector, for there were times when kernels booted themselves.
    image[0x203] = std::byte{'X'};
    EXPECT_EQ(image_kind(image), ImageKind::boot_disk);
    image = bzimage();
    image[0x211] = std::byte{0};
    EXPECT_EQ(image_kind(image), ImageKind::boot_disk) << "a zImage";
    image = bzimage();
    image.resize(0x210);
    EXPECT_EQ(image_kind(image), ImageKind::boot_disk) << "cut short";
}

TEST(ImageKind, a_boot_disk_has_the_signature_and_no_more) {
    Image image(512);
    image[0x1FE] = std::byte{0x55};
    EXPECT_EQ(image_kind(image), ImageKind::unknown);
    image[0x1FF] = std::byte{0xAA};
    EXPECT_EQ(image_kind(image), ImageKind::boot_disk);
    image.resize(511);
    EXPECT_EQ(image_kind(image), ImageKind::unknown);
}

TEST(ImageKind, multiboot1_in_the_first_8_kib) {
    EXPECT_EQ(image_kind(multiboot1_at(0)), ImageKind::multiboot1);
    EXPECT_EQ(image_kind(multiboot1_at(8192 - 12)), ImageKind::multiboot1);
    EXPECT_EQ(image_kind(multiboot1_at(8192 - 8)), ImageKind::unknown);
    auto image = multiboot1_at(64);
    put(image, 72, 1);
    EXPECT_EQ(image_kind(image), ImageKind::unknown) << "checksum";
}

TEST(ImageKind, multiboot2_in_the_first_32_kib_and_aligned) {
    EXPECT_EQ(image_kind(multiboot2_at(0x1000)), ImageKind::multiboot2);
    EXPECT_EQ(image_kind(multiboot2_at(32 * 1024 - 16)), ImageKind::multiboot2);
    EXPECT_EQ(image_kind(multiboot2_at(0x1004)), ImageKind::unknown);
}

TEST(ImageKind, multiboot2_is_preferred) {
    auto image = multiboot2_at(0x1000);
    const auto other = multiboot1_at(0x100);
    std::memcpy(image.data() + 0x100, other.data() + 0x100, 12);
    EXPECT_EQ(image_kind(image), ImageKind::multiboot2);
}

TEST(ImageKind, nothing_and_absent_files) {
    EXPECT_EQ(image_kind({}), ImageKind::unknown);
    for (const auto* path : {"/nonexistent/image", "/"}) {
        try {
            static_cast<void>(image_kind_of(path, "L1 image"));
            ADD_FAILURE() << path;
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), ExitCode::bad_image);
            EXPECT_NE(std::string{failure.what()}.find(path), std::string::npos);
        }
    }
}

} // namespace
} // namespace shadowtune::lab
