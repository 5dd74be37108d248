#include "tuner/profile_file.hpp"

#include "tuner/atomic_file.hpp"

#include <algorithm>
#include <cstring>

namespace shadowtune::tuner {

namespace {

// The largest honest profile, with every field and long names, stays below 64 KiB.
constexpr std::size_t max_profile_bytes{std::size_t{1} << 20};

} // namespace

Result<Profile, ProfileFileError> load_profile(const std::filesystem::path& path) {
    const auto text{read_whole(path, max_profile_bytes)};
    if (!text) return Failure{ProfileFileError{ProfileErrorKind::unreadable, text.error()}};
    return from_json(text.value(), path.string());
}

Result<void, std::string> save_profile(const Profile& profile, const std::filesystem::path& path) {
    return write_atomically(path, to_json(profile));
}

bool is_profile_name(std::string_view name) {
    if (name.empty() || name.size() > max_profile_name) return false;
    for (std::size_t i{0}; i < name.size();) {
        const auto lead{static_cast<unsigned char>(name[i])};
        if (lead < 0x20 || lead == 0x7F) return false;
        const std::size_t length{lead < 0x80 ? 1U : lead >= 0xC2 && lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U};
        if (lead >= 0x80 && (lead < 0xC2 || lead > 0xF4)) return false;
        if (length > name.size() - i) return false;
        for (std::size_t k{1}; k < length; ++k) {
            if ((static_cast<unsigned char>(name[i + k]) & 0xC0U) != 0x80) return false;
        }
        i += length;
    }
    return true;
}

std::string name_after(const std::filesystem::path& file) {
    std::string name{file.stem().string()};
    if (name.size() <= max_profile_name) return name;
    std::size_t end{max_profile_name};
    const auto continues{
        [&](std::size_t at) { return (static_cast<unsigned char>(name[at]) & 0xC0U) == 0x80; }};
    while (end > 0 && continues(end))
        --end;
    name.resize(end);
    return name;
}

bool is_type_name(std::string_view name) {
    const auto is_good{[](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }};
    return !name.empty() && name.size() <= max_type_name && std::ranges::all_of(name, is_good);
}

link::ProfileImage to_image(const Profile& profile) {
    link::ProfileImage image{};
    image.magic = link::profile_magic;
    image.catalogue_version = vmcs::catalogue_version;
    profile.sets.read.store(image.read);
    profile.sets.write.store(image.write);
    std::memcpy(image.name, profile.name.data(), std::min(profile.name.size(), max_profile_name));
    return image;
}

} // namespace shadowtune::tuner
