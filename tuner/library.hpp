#pragma once

// A library: a directory of profiles, each with the fingerprints of the L1 type and mode that it is for, and
// at most one without any, for strangers. Directories in it are no part of it.

#include "tuner/profile_file.hpp"
#include "vmcs/recognition.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace shadowtune::tuner {

class Library {
public:
    // Errors: those of a profile file; a directory without a profile; a second profile without fingerprints.
    [[nodiscard]] static Result<Library, ProfileFileError> load(const std::filesystem::path& directory);
    explicit Library(std::vector<Profile> profiles);
    Library() = default;

    [[nodiscard]] const std::vector<Profile>& profiles() const { return m_profiles; }
    // nullptr: there is none.
    [[nodiscard]] const Profile* for_strangers() const;

    // As the VMM does it. `profile` is the one for this L1; for an unknown one the strangers', or nullptr.
    struct Answer {
        vmcs::Recognised found;
        std::string type;      // the nearest one, also where the L1 is unknown
        std::string runner_up; // empty: there is no other type
        const Profile* profile{nullptr};
    };
    [[nodiscard]] Answer recognise(const vmcs::Fingerprint& observed) const;

private:
    std::vector<Profile> m_profiles;
};

// The share of the accesses in round trips that would not trap; 0 where there are none.
[[nodiscard]] double shadowed_share(const vmcs::ShadowSets& sets, const Workload& workload);
// From here on the rates agree with what a fingerprint says.
inline constexpr double least_shadowed_share{0.95};

// What the VMM takes as a `profile` boot module, and one for one over the link: docs/profiles.md.
[[nodiscard]] std::vector<std::byte> to_module(const Profile& profile);
// The same, a piece for each fingerprint: each fits a message.
[[nodiscard]] std::vector<std::vector<std::byte>> to_module_pieces(const Profile& profile);

} // namespace shadowtune::tuner
