#pragma once

// Interrupt commands that L1 writes to its local APIC, and whom they are for. SDM Vol. 3A, 11.6.1 "Interrupt
// Command Register (ICR)", 11.6.2 "Determining IPI Destination", 11.12.9 "ICR Operation in x2APIC Mode" and
// 11.12.10 "Determining IPI Destination in x2APIC Mode" (edition 325462-087).

#include "hypervisor/devices/local_apic.hpp"

#include <cstdint>

namespace shadowtune::nested {

using devices::ApicMode;

enum class DeliveryMode : std::uint8_t {
    fixed = 0,
    lowest_priority = 1,
    smi = 2,
    nmi = 4,
    init = 5,
    startup = 6,
    external = 7,
};

enum class Shorthand : std::uint8_t { none = 0, self = 1, all = 2, all_but_self = 3 };

struct InterruptCommand {
    std::uint8_t vector{0};
    DeliveryMode mode{DeliveryMode::fixed};
    bool is_logical{false};
    bool is_assert{false};
    bool is_level{false};
    Shorthand shorthand{Shorthand::none};
    std::uint32_t destination{0};

    // What L0 does itself; all else goes to the hardware as it is.
    [[nodiscard]] constexpr bool is_l0s() const {
        return mode == DeliveryMode::init || mode == DeliveryMode::startup;
    }
    // "INIT Level De-assert": no processor with VMX does anything on it (Table 11-1 of 11.6.1).
    [[nodiscard]] constexpr bool is_deassert() const {
        return mode == DeliveryMode::init && is_level && !is_assert;
    }
};

namespace detail {

[[nodiscard]] constexpr InterruptCommand decode_low(std::uint32_t low, std::uint32_t destination) {
    return {static_cast<std::uint8_t>(low),
            static_cast<DeliveryMode>(low >> 8 & 7),
            (low >> 11 & 1) != 0,
            (low >> 14 & 1) != 0,
            (low >> 15 & 1) != 0,
            static_cast<Shorthand>(low >> 18 & 3),
            destination};
}

} // namespace detail

// An xAPIC has the destination in bits 31:24 of its upper register.
[[nodiscard]] constexpr InterruptCommand decode_xapic_command(std::uint32_t low, std::uint32_t high) {
    return detail::decode_low(low, high >> 24);
}

[[nodiscard]] constexpr InterruptCommand decode_x2apic_command(std::uint64_t value) {
    return detail::decode_low(static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32));
}

// How one local APIC is addressed. xAPIC: `ldr` and `dfr` are the registers as they read.
struct ApicAddress {
    ApicMode mode{ApicMode::disabled};
    std::uint32_t id{0};
    std::uint32_t ldr{0};
    std::uint32_t dfr{0xFFFF'FFFF};
};

// Whether a command without a shorthand, of a sender in this mode, reaches `target`.
[[nodiscard]] constexpr bool is_destination(const InterruptCommand& command, ApicMode sender,
                                            const ApicAddress& target) {
    const bool wide{sender == ApicMode::x2apic};
    const std::uint32_t everybody{wide ? 0xFFFF'FFFF : 0xFFU};
    if (target.mode == ApicMode::disabled) return false;
    if (command.destination == everybody) return true;
    if (!command.is_logical) return command.destination == (wide ? target.id : target.id & 0xFFU);
    if (target.mode == ApicMode::x2apic) {
        // 11.12.10.2: the logical ID follows from the ID: a cluster of 16, and a bit in it.
        const std::uint32_t cluster{target.id >> 4}, bit{1U << (target.id & 0xFU)};
        return command.destination >> 16 == cluster && (command.destination & bit) != 0;
    }
    const std::uint32_t address{command.destination & 0xFFU}, own{target.ldr >> 24};
    constexpr std::uint32_t flat{0xF};
    if (target.dfr >> 28 == flat) return (address & own) != 0;
    return (address >> 4 == own >> 4 || address >> 4 == flat) && (address & own & 0xFU) != 0;
}

// Whether an INIT or a start-up IPI reaches `target`. With the shorthands "self" and "all including self"
// they are not valid (Table 11-3) and reach nobody.
[[nodiscard]] constexpr bool reaches(const InterruptCommand& command, ApicMode sender, bool is_self,
                                     const ApicAddress& target) {
    if (command.shorthand == Shorthand::none) return is_destination(command, sender, target);
    return command.shorthand == Shorthand::all_but_self && !is_self && target.mode != ApicMode::disabled;
}

} // namespace shadowtune::nested
