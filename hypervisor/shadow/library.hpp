#pragma once

// The profiles on board: those of L1 types, with the fingerprints by which they are told, and one for
// strangers. Plain code: hosted tests and the VMM compile it alike.

#include "link/recognition_messages.hpp"
#include "vmcs/profile.hpp"
#include "vmcs/recognition.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <span>

namespace shadowtune::shadow {

class Library {
public:
    static constexpr std::size_t most_profiles{32};
    static constexpr std::size_t most_fingerprints{96};

    // The image at the front of `bytes`: how many bytes it had, or why it is not taken. Nothing is added
    // then.
    [[nodiscard]] Result<std::size_t, link::CommandStatus> add(std::span<const std::uint8_t> bytes);
    void clear();

    [[nodiscard]] bool has_fingerprints() const { return m_fingerprint_count != 0; }
    // The last one that came; none: nullptr.
    [[nodiscard]] const link::ProfileImage* for_strangers() const {
        return m_has_stranger ? &m_stranger : nullptr;
    }

    // Which of the profiles is for the L1 of this fingerprint, and what the host is told of it; no profile:
    // nullptr.
    [[nodiscard]] const link::ProfileImage* pick(const vmcs::Fingerprint& observed,
                                                 link::RecognitionOutcome& outcome) const;

private:
    struct Entry {
        char type[sizeof(link::TypedProfile::type)]{};
        link::ProfileImage image{};
    };

    [[nodiscard]] Entry* entry_of(const link::TypedProfile& head);

    link::ProfileImage m_stranger{};
    bool m_has_stranger{false};
    Entry m_entries[most_profiles]{};
    std::size_t m_entry_count{0};
    vmcs::Fingerprint m_fingerprints[most_fingerprints]{};
    std::size_t m_entry_of[most_fingerprints]{}; // of each fingerprint
    vmcs::Known m_known[most_fingerprints]{};
    std::size_t m_fingerprint_count{0};
};

// Without the fields that this L1 is not offered or that may not be shadowed here: it was made on another
// processor, perhaps.
[[nodiscard]] link::ProfileImage fitted(const link::ProfileImage& image, const vmcs::ProfileTarget& target);

} // namespace shadowtune::shadow
