// Ports that L0 must see, whoever touches them: its own UART, which is not there for others, and the A20
// gate's.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/devices/a20_gate.hpp"
#include "hypervisor/devices/uart.hpp"
#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/nested/exits.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"

namespace shadowtune::nested {

namespace {

[[nodiscard]] bool is_uart(std::uint16_t port) {
    return port >= devices::com2_base && port < devices::com2_base + devices::uart_ports;
}

[[nodiscard]] std::uint8_t read_port(Vcpu& vcpu, std::uint16_t port) {
    constexpr std::uint8_t nothing_there{0xFF};
    if (is_uart(port)) return nothing_there;
    const std::uint8_t value{cpu::in8(port)};
    return devices::A20Gate::has_port(port) ? vcpu.machine.a20.read(port, value) : value;
}

void write_port(Vcpu& vcpu, std::uint16_t port, std::uint8_t value) {
    if (is_uart(port)) return;
    Machine& machine{vcpu.machine};
    const bool was_open{machine.a20.is_open()};
    cpu::out8(port, devices::A20Gate::has_port(port) ? machine.a20.write(port, value) : value);
    if (machine.a20.is_open() == was_open) return;
    memory::mask_a20(machine.eptp01, machine.l1, machine.map, !machine.a20.is_open());
    vcpu.hardware.invalidate(vmx::InvalidateEpt::single_context, machine.eptp01);
}

} // namespace

bool is_l0s_port(vmx::IoAccess io) {
    for (unsigned i{0}; i < io.size(); ++i) {
        const auto port{static_cast<std::uint16_t>(io.port() + i)};
        if (is_uart(port) || devices::A20Gate::has_port(port)) return true;
    }
    return false;
}

// An access of several bytes is one to as many ports, as these devices of 8 bits have it.
void emulate_io(Vcpu& vcpu) {
    const vmx::IoAccess io{vcpu.hardware.read(F::exit_qualification)};
    auto& registers{vcpu.registers};
    if (io.is_string()) {
        // Nothing is moved, but the counter ends as if all had been.
        if (io.is_rep()) registers.rcx() = 0;
        return skip_instruction(vcpu);
    }
    std::uint64_t value{registers.rax()};
    for (unsigned i{0}; i < io.size(); ++i) {
        const auto port{static_cast<std::uint16_t>(io.port() + i)};
        if (!io.is_in()) {
            write_port(vcpu, port, static_cast<std::uint8_t>(value >> i * 8));
            continue;
        }
        const std::uint64_t byte{read_port(vcpu, port)};
        value = (value & ~(std::uint64_t{0xFF} << i * 8)) | byte << i * 8;
    }
    // A result of 32 bits clears the upper half of RAX (SDM Vol. 1, 3.4.1.1).
    if (io.is_in()) registers.rax() = io.size() == 4 ? value & 0xFFFF'FFFF : value;
    skip_instruction(vcpu);
}

} // namespace shadowtune::nested
