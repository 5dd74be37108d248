// Tells what kind of boot image a file is, from its first bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace shadowtune::lab {

enum class ImageKind {
    unknown,
    boot_disk,     // a boot sector, and nothing of the below
    linux_bzimage, // "HdrS" at 0x202, loaded high
    multiboot1,    // header in the first 8 KiB
    multiboot2,    // header in the first 32 KiB; preferred where an image has both
};

// As many bytes from the start of a file as any kind needs to be told.
inline constexpr std::size_t image_head_bytes = 32 * 1024;

[[nodiscard]] ImageKind image_kind(std::span<const std::byte> head);

// Reads the head and tells. Throws Failure (bad_image) naming `role` and the path where the file cannot be
// read.
[[nodiscard]] ImageKind image_kind_of(const std::filesystem::path& file, std::string_view role);

[[nodiscard]] std::string_view name_of(ImageKind kind);

} // namespace shadowtune::lab
