#pragma once

// The local APIC of the processor that runs L0, as L0 itself uses it: to know its processor and to send INIT
// and start-up IPIs. SDM Vol. 3A, chapter 11 "Advanced Programmable Interrupt Controller (APIC)" (edition
// 325462-087).

#include <cstdint>

namespace shadowtune::devices {

// IA32_APIC_BASE: SDM Vol. 3A, 11.4.4 and 11.12.1.
namespace apic_base {
inline constexpr std::uint64_t bootstrap_processor{1U << 8}, x2apic{1U << 10}, enabled{1U << 11};
inline constexpr std::uint64_t address_mask{0x000F'FFFF'FFFF'F000};
} // namespace apic_base

// Byte offsets of registers in the xAPIC's page (Table 11-1); x2APIC's MSR is 800H + offset / 16 (11.12.1.2).
namespace apic_register {
inline constexpr std::uint32_t id{0x20}, tpr{0x80}, ppr{0xA0}, eoi{0xB0}, ldr{0xD0}, dfr{0xE0}, svr{0xF0},
    isr{0x100}, irr{0x200}, esr{0x280}, lvt_cmci{0x2F0}, icr_low{0x300}, icr_high{0x310}, lvt_timer{0x320},
    lvt_thermal{0x330}, lvt_performance{0x340}, lvt_lint0{0x350}, lvt_lint1{0x360}, lvt_error{0x370},
    initial_count{0x380}, divide_configuration{0x3E0}, version{0x30};
}
inline constexpr std::uint32_t first_x2apic_msr{0x800};
inline constexpr std::uint32_t x2apic_icr_msr{first_x2apic_msr + apic_register::icr_low / 16};

enum class ApicMode : std::uint8_t { disabled, xapic, x2apic };

[[nodiscard]] constexpr ApicMode apic_mode(std::uint64_t base) {
    if ((base & apic_base::enabled) == 0) return ApicMode::disabled;
    return (base & apic_base::x2apic) != 0 ? ApicMode::x2apic : ApicMode::xapic;
}

class LocalApic {
public:
    // In the mode and at the address that IA32_APIC_BASE says now.
    LocalApic();

    [[nodiscard]] ApicMode mode() const { return m_mode; }
    [[nodiscard]] std::uint64_t page() const { return m_page; }
    // 8 bits as an xAPIC.
    [[nodiscard]] std::uint32_t id() const;

    [[nodiscard]] std::uint32_t read(std::uint32_t reg) const;
    void write(std::uint32_t reg, std::uint32_t value) const;
    // Whether an interrupt waits that its priority and the processor's let through (11.8.3.1).
    [[nodiscard]] bool has_deliverable_interrupt() const;
    // Waits until the command is on its way. The upper command register is the guest's, and keeps its value.
    void command(std::uint32_t destination, std::uint32_t low) const;

    // The steps of 9.4.4.1 "Typical BSP Initialization Sequence"; the waits between them are the caller's.
    void send_init(std::uint32_t destination) const;
    void send_startup(std::uint32_t destination, std::uint8_t vector) const;
    void send_nmi(std::uint32_t destination) const;

private:
    ApicMode m_mode;
    std::uint64_t m_page;
};

} // namespace shadowtune::devices
