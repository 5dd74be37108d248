#include "link/host/hello.hpp"

#include "link/frame.hpp"

#include <algorithm>

namespace shadowtune::link {

namespace {

constexpr std::string_view mend{"; use the shadowtune and the shadowtune-vmm.elf of one build"};

} // namespace

std::string unpack_text(const char* text, std::size_t room) {
    std::string out{text, std::find(text, text + room, '\0')};
    for (char& character : out) {
        const auto code{static_cast<unsigned char>(character)};
        if (code < 0x20 || code == 0x7F) character = '?';
    }
    while (!out.empty() && out.back() == ' ')
        out.pop_back(); // CPUID pads with blanks
    return out;
}

Result<HelloInfo, std::string> unpack_hello(std::span<const std::uint8_t> payload) {
    Hello hello{};
    // The numbers that say whether the rest can be understood stand in front, and stay there in later
    // versions.
    constexpr std::size_t front{offsetof(Hello, boot_id)};
    if (payload.size() < front) return Failure{"the VMM's greeting is too short" + std::string{mend}};
    __builtin_memcpy(&hello, payload.data(), std::min(payload.size(), sizeof(hello)));
    if (hello.protocol_version != protocol_version) {
        return Failure{"the VMM speaks version " + std::to_string(hello.protocol_version) +
                       " of the link's protocol, not " + std::to_string(protocol_version) +
                       std::string{mend}};
    }
    if (hello.catalogue_version != vmcs::catalogue_version) {
        return Failure{"the VMM has another field catalogue" + std::string{mend}};
    }
    if (payload.size() < sizeof(hello)) return Failure{"the VMM's greeting is too short" + std::string{mend}};
    if (hello.vcpus == 0) return Failure{std::string{"the VMM says that it has no vCPU"}};

    HelloInfo info;
    info.boot_id = hello.boot_id;
    info.vcpus = hello.vcpus;
    info.catalogue_version = hello.catalogue_version;
    info.vmm_version = unpack_text(hello.vmm_version, sizeof(hello.vmm_version));
    info.cpu_brand = unpack_text(hello.cpu_brand, sizeof(hello.cpu_brand));
    info.cpu_signature = hello.cpu_signature;
    info.tsc_khz = hello.tsc_khz;
    info.memory_bytes = hello.memory_bytes;
    for (std::size_t i{0}; i < vmcs::capability_msr_count; ++i) {
        info.hardware_msrs.values[i] = hello.hardware_msrs[i];
        info.offered_msrs.values[i] = hello.offered_msrs[i];
    }
    info.offered_fields = vmcs::FieldSet::load(hello.offered_fields);
    info.physical_fields = vmcs::FieldSet::load(hello.physical_fields);
    // A kind of a newer VMM is unknown to us, not an error.
    info.l1_kind = hello.l1_kind <= static_cast<std::uint8_t>(L1Kind::bios_disk)
                       ? static_cast<L1Kind>(hello.l1_kind)
                       : L1Kind::unknown;
    info.l1_name = unpack_text(hello.l1_name, sizeof(hello.l1_name));
    return info;
}

} // namespace shadowtune::link
