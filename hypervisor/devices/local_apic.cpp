#include "hypervisor/devices/local_apic.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/memory/l0_memory.hpp"

namespace shadowtune::devices {

namespace {

// The interrupt command register: SDM Vol. 3A, Figure 11-12.
constexpr std::uint32_t command_nmi{4U << 8}, command_init{5U << 8}, command_startup{6U << 8},
    command_assert{1U << 14}, command_pending{1U << 12};

} // namespace

LocalApic::LocalApic() {
    const std::uint64_t base{cpu::rdmsr(cpu::msr::apic_base)};
    m_mode = apic_mode(base);
    m_page = base & apic_base::address_mask;
}

std::uint32_t LocalApic::read(std::uint32_t reg) const {
    if (m_mode == ApicMode::x2apic)
        return static_cast<std::uint32_t>(cpu::rdmsr(first_x2apic_msr + reg / 16));
    return *memory::at_physical<volatile std::uint32_t>(m_page + reg);
}

void LocalApic::write(std::uint32_t reg, std::uint32_t value) const {
    if (m_mode == ApicMode::x2apic) return cpu::wrmsr(first_x2apic_msr + reg / 16, value);
    *memory::at_physical<volatile std::uint32_t>(m_page + reg) = value;
}

std::uint32_t LocalApic::id() const {
    constexpr unsigned xapic_shift{24};
    const std::uint32_t id{read(apic_register::id)};
    return m_mode == ApicMode::x2apic ? id : id >> xapic_shift;
}

bool LocalApic::has_deliverable_interrupt() const {
    if (m_mode == ApicMode::disabled) return false;
    constexpr unsigned vectors_in_a_class{16}, highest_class{15};
    const std::uint32_t running{(read(apic_register::ppr) & 0xFF) / vectors_in_a_class};
    for (unsigned waiting{highest_class}; waiting > running; --waiting) {
        const std::uint32_t word{read(apic_register::irr + waiting / 2 * 16)};
        if ((word >> waiting % 2 * vectors_in_a_class & 0xFFFF) != 0) return true;
    }
    return false;
}

void LocalApic::command(std::uint32_t destination, std::uint32_t low) const {
    constexpr unsigned xapic_shift{24};
    if (m_mode == ApicMode::x2apic) return cpu::wrmsr(x2apic_icr_msr, std::uint64_t{destination} << 32 | low);
    const auto wait{[this] {
        while ((read(apic_register::icr_low) & command_pending) != 0)
            asm volatile("pause");
    }};
    wait();
    const std::uint32_t of_guest{read(apic_register::icr_high)};
    write(apic_register::icr_high, destination << xapic_shift);
    write(apic_register::icr_low, low);
    wait();
    write(apic_register::icr_high, of_guest);
}

void LocalApic::send_init(std::uint32_t destination) const {
    command(destination, command_init | command_assert);
}

void LocalApic::send_nmi(std::uint32_t destination) const {
    command(destination, command_nmi | command_assert);
}

void LocalApic::send_startup(std::uint32_t destination, std::uint8_t vector) const {
    command(destination, command_startup | command_assert | vector);
}

} // namespace shadowtune::devices
