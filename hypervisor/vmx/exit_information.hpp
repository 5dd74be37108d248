#pragma once

// Fields of the VM-exit and VM-entry interruption information, guest non-register state and exit
// qualifications. SDM Vol. 3C, sections 25.4.2, 25.8.3, 25.9.2 and 28.2.1 (edition 325462-087).

#include <cstdint>

namespace shadowtune::vmx {

// Exit reason field: section 25.9.1.
inline constexpr std::uint32_t basic_exit_reason_mask{0xFFFF};
inline constexpr std::uint32_t exit_reason_entry_failure{std::uint32_t{1} << 31};

// Bits 10:8 of interruption information. `reserved` is so in VM entry; VM exits never report it.
enum class EventType : std::uint8_t {
    external_interrupt = 0,
    reserved = 1,
    nmi = 2,
    hardware_exception = 3,
    software_interrupt = 4,
    privileged_software_exception = 5,
    software_exception = 6,
    other_event = 7,
};

namespace interruption {
inline constexpr std::uint32_t valid{std::uint32_t{1} << 31};
inline constexpr std::uint32_t error_code_valid{std::uint32_t{1} << 11}; // VM entry: deliver error code
inline constexpr std::uint32_t nmi_unblocking_due_to_iret{std::uint32_t{1} << 12}; // VM exit only
inline constexpr std::uint32_t entry_reserved{0x7FFFF000};

[[nodiscard]] constexpr bool is_valid(std::uint32_t information) {
    return (information & valid) != 0;
}
[[nodiscard]] constexpr std::uint8_t vector(std::uint32_t information) {
    return static_cast<std::uint8_t>(information);
}
[[nodiscard]] constexpr EventType type(std::uint32_t information) {
    return static_cast<EventType>((information >> 8) & 7U);
}
[[nodiscard]] constexpr bool has_error_code(std::uint32_t information) {
    return (information & error_code_valid) != 0;
}
[[nodiscard]] constexpr std::uint32_t make(std::uint8_t vector, EventType type, bool error_code = false) {
    return valid | vector | (static_cast<std::uint32_t>(type) << 8) | (error_code ? error_code_valid : 0U);
}
} // namespace interruption

// Exception vectors that the VMM names: Vol. 3A, Table 7-1.
namespace vector {
inline constexpr std::uint8_t debug{1}, nmi{2}, invalid_opcode{6}, double_fault{8}, stack_segment{12},
    general_protection{13}, page_fault{14}, machine_check{18}, virtualization{20};
} // namespace vector

// Guest interruptibility state: Table 25-3.
namespace interruptibility {
inline constexpr std::uint32_t blocking_by_sti{1U << 0};
inline constexpr std::uint32_t blocking_by_mov_ss{1U << 1};
inline constexpr std::uint32_t blocking_by_smi{1U << 2};
inline constexpr std::uint32_t blocking_by_nmi{1U << 3};
inline constexpr std::uint32_t enclave_interruption{1U << 4};
inline constexpr std::uint32_t reserved{0xFFFFFFE0};
} // namespace interruptibility

enum class ActivityState : std::uint32_t { active = 0, hlt = 1, shutdown = 2, wait_for_sipi = 3 };

// Pending debug exceptions: Table 25-4.
namespace pending_debug {
inline constexpr std::uint64_t bus_lock{1U << 11};
inline constexpr std::uint64_t enabled_breakpoint{1U << 12};
inline constexpr std::uint64_t single_step{1U << 14};
inline constexpr std::uint64_t rtm{1U << 16};
} // namespace pending_debug

// Access rights in VMCS form: Table 25-2.
namespace access_rights {
inline constexpr std::uint32_t type_mask{0xF};
inline constexpr std::uint32_t not_system{1U << 4}; // S
inline constexpr std::uint32_t present{1U << 7};
inline constexpr std::uint32_t long_mode{1U << 13};   // L
inline constexpr std::uint32_t default_big{1U << 14}; // D/B
inline constexpr std::uint32_t granularity{1U << 15}; // G
inline constexpr std::uint32_t unusable{1U << 16};
// Bits 31:17 and 11:8. A processor may clear them at VMWRITE, or keep them
// and refuse the entry.
inline constexpr std::uint32_t reserved{0xFFFE0F00};
[[nodiscard]] constexpr unsigned dpl(std::uint32_t rights) {
    return (rights >> 5) & 3U;
}
} // namespace access_rights

// Exit qualification of control-register accesses.
enum class CrAccessType : std::uint8_t { mov_to_cr = 0, mov_from_cr = 1, clts = 2, lmsw = 3 };

struct CrAccess {
    std::uint64_t qualification;

    [[nodiscard]] constexpr unsigned number() const { return qualification & 0xFU; }
    [[nodiscard]] constexpr CrAccessType type() const {
        return static_cast<CrAccessType>((qualification >> 4) & 3U);
    }
    [[nodiscard]] constexpr bool lmsw_from_memory() const { return (qualification & 0x40U) != 0; }
    [[nodiscard]] constexpr unsigned gpr() const { return (qualification >> 8) & 0xFU; }
    [[nodiscard]] constexpr std::uint16_t lmsw_source() const {
        return static_cast<std::uint16_t>(qualification >> 16);
    }
};

// Exit qualification of MOV DR.
struct DrAccess {
    std::uint64_t qualification;

    [[nodiscard]] constexpr unsigned number() const { return qualification & 7U; }
    [[nodiscard]] constexpr bool from_dr() const { return (qualification & 0x10U) != 0; }
    [[nodiscard]] constexpr unsigned gpr() const { return (qualification >> 8) & 0xFU; }
};

// Exit qualification of I/O instructions.
struct IoAccess {
    std::uint64_t qualification;

    [[nodiscard]] constexpr unsigned size() const { return (qualification & 7U) + 1U; } // bytes: 1, 2 or 4
    [[nodiscard]] constexpr bool is_in() const { return (qualification & 8U) != 0; }
    [[nodiscard]] constexpr bool is_string() const { return (qualification & 0x10U) != 0; }
    [[nodiscard]] constexpr bool is_rep() const { return (qualification & 0x20U) != 0; }
    [[nodiscard]] constexpr bool is_immediate() const { return (qualification & 0x40U) != 0; }
    [[nodiscard]] constexpr std::uint16_t port() const {
        return static_cast<std::uint16_t>(qualification >> 16);
    }
};

// Exit qualification of EPT violations.
namespace ept_violation {
inline constexpr std::uint64_t read{1U << 0};
inline constexpr std::uint64_t write{1U << 1};
inline constexpr std::uint64_t fetch{1U << 2};
inline constexpr std::uint64_t access_mask{7};
inline constexpr std::uint64_t readable{1U << 3};
inline constexpr std::uint64_t writable{1U << 4};
inline constexpr std::uint64_t executable{1U << 5};
inline constexpr std::uint64_t linear_address_valid{1U << 7};
inline constexpr std::uint64_t final_access{1U << 8}; // clear: an access to a guest paging-structure entry
inline constexpr std::uint64_t nmi_unblocking_due_to_iret{1U << 12};
} // namespace ept_violation

} // namespace shadowtune::vmx
