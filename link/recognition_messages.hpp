#pragma once

// What the VMM has seen of L1 before L2 ran for the first time, and the profiles that it picks one from then.
//
// The host asks by fingerprint_request (a Command); the answer is one FingerprintReport, and behind it, where
// the state is `seen`, the fingerprint (link/fingerprint.hpp).

#include "link/fingerprint.hpp"
#include "link/messages.hpp"

#include <string_view>

namespace shadowtune::link {

enum class RecognitionState : std::uint8_t {
    awaited = 0, // no L2 has run yet
    seen = 1,
    hidden = 2, // accesses before L2's first entry were shadowed, so they were not seen
};
inline constexpr RecognitionState last_recognition_state{RecognitionState::hidden};

enum class Verdict : std::uint8_t {
    none = 0, // no fingerprint was on board to compare with
    recognised = 1,
    unknown = 2,
};
inline constexpr Verdict last_verdict{Verdict::unknown};

// Names are zero-padded; the last byte is 0.
struct [[gnu::packed]] RecognitionOutcome {
    std::uint8_t verdict; // Verdict
    std::uint8_t reserved;
    std::uint16_t similarity; // to the nearest type, in parts per thousand
    std::uint16_t runner_up_similarity;
    char type[16];      // the nearest one, also where the L1 is unknown
    char runner_up[16]; // empty: there is no other type on board
    char profile[32];   // that was put in force; empty: none, every access traps
};

struct [[gnu::packed]] FingerprintReport {
    std::uint32_t id;
    std::uint8_t state; // RecognitionState
    std::uint8_t reserved[3];
    RecognitionOutcome outcome; // zeros where the state is not `seen`
};

// A profile with the fingerprints of the L1 type that it is for: a FingerprintHead and its accesses each.
// Without any, it is for L1s that nobody knows. A `profile` boot module is one after the other of these and
// of bare ProfileImages, which are for strangers too.
struct [[gnu::packed]] TypedProfile {
    std::uint32_t magic; // typed_profile_magic
    std::uint32_t fingerprints;
    char type[16];
    ProfileImage image;
};
inline constexpr std::uint32_t typed_profile_magic{0x32505453}; // "STP2"

// One more profile to pick from: acknowledged. A profile with several fingerprints comes once with each.
struct [[gnu::packed]] AddProfile {
    std::uint32_t id;
    std::uint8_t is_first; // what was on board is forgotten
    std::uint8_t reserved[3];
    // A TypedProfile or a bare ProfileImage up to the end of the payload
};

static_assert(sizeof(FingerprintReport) + max_fingerprint <= max_payload);
static_assert(sizeof(AddProfile) + sizeof(TypedProfile) + max_fingerprint <= max_payload);

// Text up to the first zero; the place's last byte is taken for one.
template <std::size_t size>
[[nodiscard]] constexpr std::string_view name_in(const char (&place)[size]) {
    std::size_t length{0};
    while (length < size - 1 && place[length] != '\0')
        ++length;
    return {place, length};
}

} // namespace shadowtune::link
