#include "link/fingerprint.hpp"

namespace shadowtune::link {

std::size_t pack(const vmcs::Fingerprint& fingerprint, std::span<std::uint8_t> out) {
    const std::size_t size{sizeof(FingerprintHead) + fingerprint.size() * sizeof(std::uint16_t)};
    if (out.size() < size) return 0;
    const vmcs::LaunchControls& controls{fingerprint.controls};
    FingerprintHead head{};
    fingerprint.offered.store(head.offered);
    head.pin = controls.pin;
    head.primary = controls.primary;
    head.secondary = controls.secondary;
    head.exit = controls.exit;
    head.entry = controls.entry;
    head.tertiary = controls.tertiary;
    head.accesses = static_cast<std::uint16_t>(fingerprint.size());
    __builtin_memcpy(out.data(), &head, sizeof(head));
    for (std::size_t i{0}; i < fingerprint.size(); ++i) {
        const auto [field, write]{fingerprint[i]};
        const auto word{static_cast<std::uint16_t>(vmcs::catalogue[field].encoding |
                                                   (write ? first_access_is_write : 0U))};
        __builtin_memcpy(out.data() + sizeof(head) + i * sizeof(word), &word, sizeof(word));
    }
    return size;
}

std::size_t unpack(std::span<const std::uint8_t> bytes, vmcs::Fingerprint& fingerprint) {
    FingerprintHead head{};
    if (bytes.size() < sizeof(head)) return 0;
    __builtin_memcpy(&head, bytes.data(), sizeof(head));
    const std::size_t size{sizeof(head) + head.accesses * sizeof(std::uint16_t)};
    if (bytes.size() < size || !vmcs::FieldSet::are_members(head.offered)) return 0;
    fingerprint = {};
    fingerprint.offered = vmcs::FieldSet::load(head.offered);
    fingerprint.controls = {head.pin, head.primary, head.secondary, head.exit, head.entry, head.tertiary};
    for (std::size_t i{0}; i < head.accesses; ++i) {
        std::uint16_t word{};
        __builtin_memcpy(&word, bytes.data() + sizeof(head) + i * sizeof(word), sizeof(word));
        const auto encoding{static_cast<vmcs::Encoding>(word & ~first_access_is_write)};
        const vmcs::FieldIndex field{vmcs::find(encoding)};
        if (field == vmcs::no_field || vmcs::is_high_half(encoding) || !fingerprint.offered.test(field))
            return 0;
        if (!fingerprint.add({field, (word & first_access_is_write) != 0})) return 0;
    }
    return size;
}

} // namespace shadowtune::link
