#include "hypervisor/shadow/library.hpp"

#include "link/frame.hpp"

namespace shadowtune::shadow {

namespace {

using link::CommandStatus;
using Bytes = std::span<const std::uint8_t>;

[[nodiscard]] bool is_image(const link::ProfileImage& image) {
    return image.magic == link::profile_magic && vmcs::FieldSet::are_members(image.read) &&
           vmcs::FieldSet::are_members(image.write);
}

void copy_name(char* to, std::size_t room, std::string_view name) {
    __builtin_memcpy(to, name.data(), name.size() < room ? name.size() : room - 1);
}

} // namespace

void Library::clear() {
    m_has_stranger = false;
    m_entry_count = 0;
    m_fingerprint_count = 0;
}

Library::Entry* Library::entry_of(const link::TypedProfile& head) {
    for (Entry& entry : std::span{m_entries}.first(m_entry_count)) {
        if (__builtin_memcmp(entry.type, head.type, sizeof(entry.type)) == 0 &&
            __builtin_memcmp(&entry.image, &head.image, sizeof(entry.image)) == 0)
            return &entry;
    }
    if (m_entry_count == most_profiles) return nullptr;
    Entry& entry{m_entries[m_entry_count]};
    __builtin_memcpy(entry.type, head.type, sizeof(entry.type));
    entry.image = head.image;
    return &entry;
}

Result<std::size_t, CommandStatus> Library::add(Bytes bytes) {
    link::ProfileImage bare{};
    link::TypedProfile head{};
    const bool is_bare{link::read_record(bytes, bare) && bare.magic == link::profile_magic};
    if (!is_bare && (!link::read_record(bytes, head) || head.magic != link::typed_profile_magic))
        return Failure{CommandStatus::malformed};
    const link::ProfileImage& image{is_bare ? bare : head.image};
    if (image.catalogue_version != vmcs::catalogue_version) return Failure{CommandStatus::other_catalogue};
    if (!is_image(image)) return Failure{CommandStatus::malformed};
    if (is_bare || head.fingerprints == 0) {
        m_stranger = image;
        m_has_stranger = true;
        return is_bare ? sizeof(bare) : sizeof(head);
    }
    head.type[sizeof(head.type) - 1] = '\0';
    if (head.type[0] == '\0') return Failure{CommandStatus::malformed};
    if (head.fingerprints > most_fingerprints - m_fingerprint_count) return Failure{CommandStatus::no_room};
    Entry* const entry{entry_of(head)};
    if (entry == nullptr) return Failure{CommandStatus::no_room};
    const auto place{static_cast<std::size_t>(entry - m_entries)};
    std::size_t size{sizeof(head)};
    for (std::size_t i{0}; i < head.fingerprints; ++i) {
        const std::size_t next{m_fingerprint_count + i};
        const std::size_t taken{link::unpack(bytes.subspan(size), m_fingerprints[next])};
        if (taken == 0) return Failure{CommandStatus::malformed};
        m_entry_of[next] = place;
        m_known[next] = {&m_fingerprints[next], link::name_in(entry->type)};
        size += taken;
    }
    if (place == m_entry_count) ++m_entry_count;
    m_fingerprint_count += head.fingerprints;
    return size;
}

const link::ProfileImage* Library::pick(const vmcs::Fingerprint& observed,
                                        link::RecognitionOutcome& outcome) const {
    outcome = {};
    if (!has_fingerprints()) return nullptr;
    const auto found{vmcs::recognise(observed, std::span{m_known}.first(m_fingerprint_count))};
    const auto verdict{found.is_known() ? link::Verdict::recognised : link::Verdict::unknown};
    outcome.verdict = static_cast<std::uint8_t>(verdict);
    outcome.similarity = static_cast<std::uint16_t>(found.similarity);
    outcome.runner_up_similarity = static_cast<std::uint16_t>(found.runner_up_similarity);
    copy_name(outcome.type, sizeof(outcome.type), m_known[found.nearest].type);
    if (found.runner_up != vmcs::Recognised::none)
        copy_name(outcome.runner_up, sizeof(outcome.runner_up), m_known[found.runner_up].type);
    return found.is_known() ? &m_entries[m_entry_of[found.pick]].image : for_strangers();
}

link::ProfileImage fitted(const link::ProfileImage& image, const vmcs::ProfileTarget& target) {
    const vmcs::ShadowSets most{vmcs::everything_allowed(target)};
    link::ProfileImage fit{image};
    (vmcs::FieldSet::load(image.read) & most.read).store(fit.read);
    (vmcs::FieldSet::load(image.write) & most.write).store(fit.write);
    return fit;
}

} // namespace shadowtune::shadow
