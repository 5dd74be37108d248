#pragma once

// A profile as a file: JSON, for people and programs alike. docs/profile-format.md describes it.

#include "link/messages.hpp"
#include "tuner/optimizer.hpp"
#include "tuner/prediction.hpp"
#include "vmcs/fingerprint.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::tuner {

inline constexpr int profile_schema_version{4};

// One byte less than link::ProfileImage has, so that the name ends with a zero there.
inline constexpr std::size_t max_profile_name{sizeof(link::ProfileImage::name) - 1};
// Of an L1 type; the binary form has a zero behind it.
inline constexpr std::size_t max_type_name{15};

struct RateBounds {
    double low{0};
    double high{0};
};

struct MeasuredRate {
    double reads{0}; // per round trip
    double writes{0};
    // 95 % intervals, where the rates are estimates from a sample: both or none.
    std::optional<RateBounds> read_bounds{};
    std::optional<RateBounds> write_bounds{};
    // What shadowing gains per round trip over leaving the field trapped, in the profile's cost unit; below 0
    // it costs more than it saves.
    std::optional<FieldGain> gain{};
};

// One of the recordings that a profile was made from.
struct RecordingUsed {
    std::string file;
    std::int64_t recording{0}; // its number in the file
    std::string workload;      // its label
    std::string phase;         // boot, steady or all
    double weight{1};
    std::uint32_t from_snapshot{0};
    std::uint32_t to_snapshot{0};
    std::uint64_t round_trips{0};
    // Per round trip, over this recording's own optimum. None: the sets were changed since.
    std::optional<double> regret{};
};

// How the profile was made; empty strings where a person wrote it by hand.
struct Origin {
    std::string tool_version;
    std::string made_at;                        // ISO 8601, UTC
    std::string costs;                          // name of the cost table
    std::optional<std::uint64_t> budget_fields; // none: no limit
    std::optional<double> budget_sync;          // per round trip, in the cost table's unit
    std::string objective;                      // mean or minimax; empty: the sets are by hand
    std::optional<double> regret_lower_bound;   // minimax: no profile has a smaller worst regret
    std::vector<RecordingUsed> recordings;
};

// The cheapest sets of their size or smaller.
struct CurvePoint {
    vmcs::ShadowSets sets;
    Effect effect;
};

struct Profile {
    std::string name;
    std::string l1_kind; // linux, multiboot1, ...
    std::string l1_name;
    std::string l1_mode;                         // EPT, shadow paging, ... as the user named it
    std::string l1_type;                         // of the fingerprints: kvm, xen, ...; empty: none
    std::vector<vmcs::Fingerprint> fingerprints; // of L1s of this type that the profile is for
    std::string workload;
    std::string cpu_brand;
    std::string cpu_model; // the lab's
    Origin origin;
    vmcs::ShadowSets sets;
    // Where measured: of the hot set, and of the fields that L1 accesses in round trips though they trap.
    std::map<vmcs::FieldIndex, MeasuredRate> rates;
    // Fields that a sampled recording did not decide, and about how many round trips more would decide. None:
    // no such number, the rate is where both cost the same.
    std::map<vmcs::FieldIndex, std::optional<std::uint64_t>> undecided{};
    std::string cost_unit;
    std::optional<Comparison> predicted;
    std::vector<CurvePoint> curve; // from no shadow to the optimum without a budget; empty: not asked for

    // The hot set, and what else was measured.
    [[nodiscard]] vmcs::FieldSet listed_fields() const {
        vmcs::FieldSet listed{sets.hot_set()};
        for (const auto& [field, rate] : rates)
            listed.set(field);
        return listed;
    }
};

enum class ProfileErrorKind : std::uint8_t {
    unreadable,
    malformed,       // not JSON, a key missing, unknown or of another kind
    other_schema,    // schema_version
    other_catalogue, // catalogue_version
    unknown_field,
    forbidden_field, // breaks a rule of vmcs::validate that holds on every machine
};

struct ProfileFileError {
    ProfileErrorKind kind{};
    std::string message; // one line: what, where, the mend
};

[[nodiscard]] std::string to_json(const Profile& profile);

// `where` names the text in error lines.
[[nodiscard]] Result<Profile, ProfileFileError> from_json(std::string_view text, const std::string& where);

[[nodiscard]] Result<Profile, ProfileFileError> load_profile(const std::filesystem::path& path);
[[nodiscard]] Result<void, std::string> save_profile(const Profile& profile,
                                                     const std::filesystem::path& path);

// Whole characters of UTF-8 only, at most max_profile_name bytes, no control characters, not empty.
[[nodiscard]] bool is_profile_name(std::string_view name);

// What a profile is called whose name nobody gives: the file's name without its ending, cut between
// characters where it is too long. May be no profile name.
[[nodiscard]] std::string name_after(const std::filesystem::path& file);

// Small letters, digits and hyphens, 1 to max_type_name of them.
[[nodiscard]] bool is_type_name(std::string_view name);

// The binary form that L0 takes. The profile's name must be one (is_profile_name).
[[nodiscard]] link::ProfileImage to_image(const Profile& profile);

} // namespace shadowtune::tuner
