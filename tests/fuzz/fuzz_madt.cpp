// Drives the reading of the firmware's list of processors with whatever tables it left. Input: the RSDP's
// size (1 byte), then memory from address 0, which begins with the RSDP. Checksums are made good, or no input
// would ever get past them.

#include "hypervisor/boot/processor_list.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using namespace shadowtune::boot;
using Bytes = std::vector<std::uint8_t>;

// The tables lie in a mapping that lasts as long as the list is being made (processor_list.hpp).
struct Firmware {
    Bytes memory;
    std::vector<Bytes> parts;
};

void require(bool holds) {
    if (!holds) std::abort();
}

std::span<const std::uint8_t> access(void* context, std::uint64_t address, std::uint64_t size) {
    auto& [memory, parts]{*static_cast<Firmware*>(context)};
    if (address > memory.size() || size > memory.size() - address) return {};
    // Right behind the part lies nothing: a read beyond it is seen.
    Bytes& copy{parts.emplace_back(memory.begin() + static_cast<std::ptrdiff_t>(address),
                                   memory.begin() + static_cast<std::ptrdiff_t>(address + size))};
    std::uint8_t sum{0};
    for (const std::uint8_t byte : copy)
        sum = static_cast<std::uint8_t>(sum + byte);
    constexpr std::size_t checksum{9};
    if (copy.size() > checksum) copy[checksum] = static_cast<std::uint8_t>(copy[checksum] - sum);
    return copy;
}

[[nodiscard]] AcpiRsdp rsdp_of(const Bytes& memory, std::size_t size) {
    AcpiRsdp rsdp{};
    rsdp.size = std::min({size, memory.size(), AcpiRsdp::capacity});
    std::copy_n(memory.begin(), rsdp.size, rsdp.bytes);
    std::uint8_t sum{0};
    for (std::size_t i{0}; i < std::min<std::size_t>(rsdp.size, 36); ++i)
        sum = static_cast<std::uint8_t>(sum + rsdp.bytes[i]);
    if (rsdp.size > 8) rsdp.bytes[8] = static_cast<std::uint8_t>(rsdp.bytes[8] - sum);
    return rsdp;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Firmware firmware{{data + 1, data + size}, {}};
    const AcpiRsdp rsdp{rsdp_of(firmware.memory, data[0])};
    const auto list{list_processors(data[0] < 36 ? rsdp : AcpiRsdp{}, data[0] < 36 ? AcpiRsdp{} : rsdp,
                                    {&access, &firmware})};
    if (!list.ok()) {
        require(!list.error().text().empty());
        return 0;
    }
    const ProcessorList& found{list.value()};
    require(found.count <= ProcessorList::capacity);
    require(found.too_many == 0 || found.count == ProcessorList::capacity);
    for (std::size_t i{0}; i < found.count; ++i) {
        for (std::size_t j{0}; j < i; ++j)
            require(found.apic_ids[i] != found.apic_ids[j]);
    }
    return 0;
}
