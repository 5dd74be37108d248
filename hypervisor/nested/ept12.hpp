#pragma once

// Walks the EPT paging structures that L1 built for L2. SDM Vol. 3C, section 29.3 "The Extended Page Table
// Mechanism (EPT)" (edition 325462-087). Page walks of length 4, without mode-based execute control: nothing
// else is offered.

#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <cstdint>

namespace shadowtune::nested {

// Why an EPTP is refused (section 25.6.11); `ok` is not a refusal.
enum class EptpError : std::uint8_t { ok, memory_type, walk_length, accessed_dirty, reserved_bits };

[[nodiscard]] EptpError check_eptp(std::uint64_t eptp, std::uint64_t ept_vpid_cap,
                                   unsigned physical_address_bits);

[[nodiscard]] constexpr bool eptp_accessed_dirty(std::uint64_t eptp) {
    return (eptp & 0x40U) != 0;
}

// What the walk must know: the EPTP in force and what L1 was offered.
struct EptSettings {
    std::uint64_t eptp{0};
    std::uint64_t ept_vpid_cap{0};      // IA32_VMX_EPT_VPID_CAP as offered to L1
    unsigned physical_address_bits{36}; // MAXPHYADDR
};

// `busy`: L1 kept changing the entries while their accessed and dirty flags were being set; resume L2, which
// faults again.
enum class EptOutcome : std::uint8_t { ok, violation, misconfiguration, busy };

struct EptWalk {
    EptOutcome outcome{EptOutcome::misconfiguration};
    std::uint64_t address{0};   // ok: where the guest-physical address lies in L1's physical memory
    std::uint8_t level{0};      // of the last entry read: 4 = PML4E ... 1 = PTE
    std::uint8_t page_shift{0}; // ok, or a violation by permissions: 12, 21 or 30
    bool readable{false};       // AND over the entries used
    bool writable{false};
    bool executable{false};
    bool dirty{false}; // the leaf's dirty flag after the walk; true where A/D flags are off
    bool ignore_pat{false};
    std::uint8_t memory_type{0}; // of the leaf: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB
    std::uint64_t qualification{
        0}; // violation: bits 5:0; bits 7, 8 and 12 are the hardware's, and the caller's
};

// `access` is bits of vmx::ept_violation: read, write, fetch (guest page walks with A/D flags: read | write).
// Memory needs, over L1's physical memory, 8-byte aligned:
//   bool read64(std::uint64_t address, std::uint64_t& value)        false: nothing there that L1 may read
//   bool compare_exchange64(std::uint64_t address, std::uint64_t expected, std::uint64_t desired)
// Flags are set only where the access is permitted.
template <typename Memory>
[[nodiscard]] EptWalk walk_ept12(Memory& memory, const EptSettings& settings, std::uint64_t guest_physical,
                                 std::uint64_t access);

} // namespace shadowtune::nested
