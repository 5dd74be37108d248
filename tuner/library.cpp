#include "tuner/library.hpp"

#include "link/recognition_messages.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <system_error>

namespace shadowtune::tuner {

namespace {

template <typename Record>
void append(std::vector<std::byte>& bytes, const Record& record) {
    const auto* const first{reinterpret_cast<const std::byte*>(&record)};
    bytes.insert(bytes.end(), first, first + sizeof(record));
}

[[nodiscard]] std::vector<std::byte> image_of(const Profile& profile,
                                              std::span<const vmcs::Fingerprint> fingerprints) {
    std::vector<std::byte> bytes{};
    const link::ProfileImage image{to_image(profile)};
    if (fingerprints.empty()) {
        append(bytes, image);
        return bytes;
    }
    link::TypedProfile head{};
    head.magic = link::typed_profile_magic;
    head.fingerprints = static_cast<std::uint32_t>(fingerprints.size());
    std::memcpy(head.type, profile.l1_type.data(), std::min(profile.l1_type.size(), sizeof(head.type) - 1));
    head.image = image;
    append(bytes, head);
    for (const vmcs::Fingerprint& fingerprint : fingerprints) {
        std::array<std::uint8_t, link::max_fingerprint> packed{};
        const std::size_t size{link::pack(fingerprint, packed)};
        const auto* const first{reinterpret_cast<const std::byte*>(packed.data())};
        bytes.insert(bytes.end(), first, first + size);
    }
    return bytes;
}

[[nodiscard]] Failure<ProfileFileError> fail(const std::filesystem::path& directory,
                                             const std::string& words) {
    return Failure{ProfileFileError{ProfileErrorKind::unreadable, directory.string() + ": " + words}};
}

} // namespace

Library::Library(std::vector<Profile> profiles) : m_profiles{std::move(profiles)} {}

Result<Library, ProfileFileError> Library::load(const std::filesystem::path& directory) {
    std::error_code error{};
    std::set<std::filesystem::path> files{};
    for (std::filesystem::directory_iterator entry{directory, error}, end{}; !error && entry != end;
         entry.increment(error)) {
        if (entry->is_regular_file() && entry->path().extension() == ".json") files.insert(entry->path());
    }
    if (error) return fail(directory, error.message() + "; give a directory of profiles");
    if (files.empty())
        return fail(directory,
                    "no profile (*.json) in it; give a library, or make one with scripts/make-profiles");
    std::vector<Profile> profiles{};
    bool has_stranger{false};
    for (const auto& file : files) {
        auto profile{load_profile(file)};
        if (!profile) return Failure{profile.error()};
        if (profile.value().fingerprints.empty()) {
            if (has_stranger)
                return fail(directory,
                            file.filename().string() +
                                " is a second profile without fingerprints; leave one, for strangers");
            has_stranger = true;
        }
        profiles.push_back(std::move(profile).value());
    }
    return Library{std::move(profiles)};
}

const Profile* Library::for_strangers() const {
    const auto found{std::ranges::find_if(
        m_profiles, [](const Profile& profile) { return profile.fingerprints.empty(); })};
    return found == m_profiles.end() ? nullptr : &*found;
}

Library::Answer Library::recognise(const vmcs::Fingerprint& observed) const {
    std::vector<vmcs::Known> known{};
    std::vector<const Profile*> owners{};
    for (const Profile& profile : m_profiles) {
        for (const vmcs::Fingerprint& fingerprint : profile.fingerprints) {
            known.push_back({&fingerprint, profile.l1_type});
            owners.push_back(&profile);
        }
    }
    Answer answer{};
    answer.found = vmcs::recognise(observed, known);
    const auto type_at{[&](std::size_t place) {
        return place == vmcs::Recognised::none ? std::string{} : std::string{known[place].type};
    }};
    answer.type = type_at(answer.found.nearest);
    answer.runner_up = type_at(answer.found.runner_up);
    answer.profile = answer.found.is_known() ? owners[answer.found.pick] : for_strangers();
    return answer;
}

double shadowed_share(const vmcs::ShadowSets& sets, const Workload& workload) {
    std::uint64_t all{0}, shadowed{0};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const FieldAccesses& of{workload.fields[i]};
        all += of.reads_in_round_trips + of.writes_in_round_trips;
        if (sets.read.test(i)) shadowed += of.reads_in_round_trips;
        if (sets.write.test(i)) shadowed += of.writes_in_round_trips;
    }
    return all == 0 ? 0 : static_cast<double>(shadowed) / static_cast<double>(all);
}

std::vector<std::byte> to_module(const Profile& profile) {
    return image_of(profile, profile.fingerprints);
}

std::vector<std::vector<std::byte>> to_module_pieces(const Profile& profile) {
    if (profile.fingerprints.empty()) return {to_module(profile)};
    std::vector<std::vector<std::byte>> pieces{};
    for (std::size_t i{0}; i < profile.fingerprints.size(); ++i)
        pieces.push_back(image_of(profile, std::span{profile.fingerprints}.subspan(i, 1)));
    return pieces;
}

} // namespace shadowtune::tuner
