#include "lab/image_kind.hpp"

#include "lab/failure.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <vector>

namespace shadowtune::lab {
namespace {

constexpr std::uint32_t multiboot1_magic = 0x1BADB002;
constexpr std::uint32_t multiboot2_magic = 0xE85250D6;
constexpr std::size_t multiboot1_search = 8 * 1024;
constexpr std::size_t multiboot2_search = 32 * 1024;

[[nodiscard]] std::uint32_t u32_at(std::span<const std::byte> bytes, std::size_t offset) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

[[nodiscard]] bool has_boot_signature(std::span<const std::byte> head) {
    return head.size() >= 0x200 && head[0x1FE] == std::byte{0x55} && head[0x1FF] == std::byte{0xAA};
}

[[nodiscard]] bool is_bzimage(std::span<const std::byte> head) {
    if (head.size() < 0x218) return false;
    const auto* bytes = head.data();
    // LOADED_HIGH tells a bzImage from an ancient zImage, which no loader here places.
    const bool loaded_high = (bytes[0x211] & std::byte{1}) != std::byte{0};
    return has_boot_signature(head) && std::memcmp(bytes + 0x202, "HdrS", 4) == 0 && loaded_high;
}

// The magic alone may be an immediate in the loader's own code; the checksum makes it a header.
[[nodiscard]] bool has_multiboot2(std::span<const std::byte> head) {
    const auto end = std::min(head.size(), multiboot2_search);
    for (std::size_t at = 0; at + 16 <= end; at += 8) {
        if (u32_at(head, at) != multiboot2_magic) continue;
        if (u32_at(head, at) + u32_at(head, at + 4) + u32_at(head, at + 8) + u32_at(head, at + 12) == 0)
            return true;
    }
    return false;
}

[[nodiscard]] bool has_multiboot1(std::span<const std::byte> head) {
    const auto end = std::min(head.size(), multiboot1_search);
    for (std::size_t at = 0; at + 12 <= end; at += 4) {
        if (u32_at(head, at) != multiboot1_magic) continue;
        if (u32_at(head, at) + u32_at(head, at + 4) + u32_at(head, at + 8) == 0) return true;
    }
    return false;
}

} // namespace

ImageKind image_kind(std::span<const std::byte> head) {
    if (is_bzimage(head)) return ImageKind::linux_bzimage;
    if (has_multiboot2(head)) return ImageKind::multiboot2;
    if (has_multiboot1(head)) return ImageKind::multiboot1;
    if (has_boot_signature(head)) return ImageKind::boot_disk;
    return ImageKind::unknown;
}

ImageKind image_kind_of(const std::filesystem::path& file, std::string_view role) {
    std::ifstream stream{file, std::ios::binary};
    std::vector<char> head(image_head_bytes);
    // A directory opens, and fails only when read.
    if (!stream ||
        (!stream.read(head.data(), static_cast<std::streamsize>(head.size())) && stream.gcount() == 0)) {
        throw Failure{ExitCode::bad_image,
                      fmt::format("cannot read the {} '{}' ({}): check the path ('scripts/setup' fetches the "
                                  "kernel, the build makes the VMM)",
                                  role, file.string(), errno != 0 ? std::strerror(errno) : "empty file")};
    }
    head.resize(static_cast<std::size_t>(stream.gcount()));
    return image_kind(std::as_bytes(std::span{head}));
}

std::string_view name_of(ImageKind kind) {
    switch (kind) {
    case ImageKind::boot_disk: return "boot disk";
    case ImageKind::linux_bzimage: return "Linux bzImage";
    case ImageKind::multiboot1: return "multiboot 1 image";
    case ImageKind::multiboot2: return "multiboot 2 image";
    case ImageKind::unknown: break;
    }
    return "file of no known kind";
}

} // namespace shadowtune::lab
