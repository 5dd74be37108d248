#pragma once

// Puts a snapshot together from its frames and, where these tell only what changed, the one before; or sees
// that it cannot be: a snapshot is whole or it is not there.

#include "link/frame.hpp"
#include "link/host/snapshot.hpp"

#include <map>
#include <optional>

namespace shadowtune::link {

class SnapshotAssembler {
public:
    enum class Outcome : std::uint8_t {
        foreign,  // no part of a snapshot that was asked for
        progress, // taken
        whole,    // take() has it
        broken,   // a frame is missing or contradicts: this snapshot was given up, ask for another
    };

    // `known`: what the VMM may answer the differences to, of the same boot; it must outlive the assembler.
    explicit SnapshotAssembler(std::uint16_t vcpus, const Snapshot* known = nullptr)
        : m_vcpus{vcpus}, m_known{known} {}

    // What to ask with: the number that all its vCPUs have, or 0.
    [[nodiscard]] std::uint32_t known_number() const;

    // A snapshot was asked for under this id. Answers to earlier ids still count: on a slow line they may
    // come late.
    void expect(std::uint32_t id) { m_answers.try_emplace(id); }

    [[nodiscard]] Outcome push(const Frame& frame);
    // The snapshot, once, after `whole`; boot_id is not known here.
    [[nodiscard]] Snapshot take();
    // The id of the answer that the last push gave up.
    [[nodiscard]] std::uint32_t broken_id() const { return m_broken_id; }
    // Answers begun and given up, or overtaken by the one that became whole.
    [[nodiscard]] std::uint64_t lost() const { return m_lost; }
    // Answers begun and not finished.
    [[nodiscard]] std::uint64_t unfinished() const;

private:
    struct Vcpu {
        std::uint16_t head_sequence{0};
        std::uint16_t next_part{0};
        VcpuSnapshot snapshot;
        [[nodiscard]] bool whole() const { return next_part == snapshot.head.parts; }
    };
    using Answer = std::map<std::uint16_t, Vcpu>;

    [[nodiscard]] Outcome push_head(const Frame& frame);
    [[nodiscard]] Outcome push_part(const Frame& frame);
    [[nodiscard]] Outcome give_up(std::uint32_t id);
    [[nodiscard]] Outcome finish_if_whole(std::uint32_t id);
    // Makes the differences in `snapshot` whole; false where they are to another snapshot than the known one.
    [[nodiscard]] bool complete(VcpuSnapshot& snapshot) const;

    std::uint16_t m_vcpus;
    const Snapshot* m_known;
    std::map<std::uint32_t, Answer> m_answers;
    std::optional<Snapshot> m_whole;
    std::uint32_t m_broken_id{0};
    std::uint64_t m_lost{0};
};

} // namespace shadowtune::link
