// The reader of saved states on arbitrary bytes: as they are, and with a header and a CRC that fit, so that
// the fuzzer comes past them. It runs inside L0 on what anybody with the cable may send.

#include "link/frame.hpp"
#include "link/saved_state.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using namespace shadowtune;
using Bytes = std::vector<std::uint8_t>;

void require(bool holds) {
    if (!holds) std::abort();
}

// What a reader accepts has the form that the writer gives it, and every part of it lies inside.
void read(const Bytes& bytes) {
    const auto state{link::SavedState::parse(bytes)};
    if (!state) return require(state.error().fault != link::SavedFault::none);
    for (std::size_t i{0}; i < state.value().vcpus(); ++i) {
        const link::SavedVcpu vcpu{state.value().vcpu(i)};
        std::uint64_t sum{0};
        for (const auto* list : {&vcpu.vmcs01, &vcpu.vmcs12, &vcpu.vmcs02}) {
            for (std::size_t k{0}; k < list->size(); ++k) {
                const link::SavedField field{(*list)[k]};
                require(vmcs::find(field.encoding) != vmcs::no_field);
                sum += field.value;
            }
        }
        for (std::size_t k{0}; k < vcpu.counters.size(); ++k)
            require(vcpu.counters[k].reason < vmcs::reason_slots);
        for (const std::uint8_t byte : vcpu.extended_state)
            sum += byte;
        require((vcpu.vmx.runs_l2 != 0) <= (vcpu.vmx.in_vmx_operation != 0));
        volatile std::uint64_t used{sum};
        static_cast<void>(used);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes{data, data + size};
    read(bytes);
    if (size < sizeof(link::SavedHeader)) return 0;
    link::SavedHeader header{};
    std::memcpy(&header, bytes.data(), sizeof(header));
    header.magic = link::saved_magic;
    header.format = link::saved_format;
    header.size = static_cast<std::uint32_t>(size);
    std::memcpy(bytes.data(), &header, sizeof(header));
    const std::span<const std::uint8_t> all{bytes};
    header.crc =
        link::crc32c(all.subspan(sizeof(header)), link::crc32c(all.first(offsetof(link::SavedHeader, crc))));
    std::memcpy(bytes.data(), &header, sizeof(header));
    read(bytes);
    return 0;
}
