#pragma once

// The A20 gate as L1 has it. Where a machine has one, it would mask bit 20 of L0's addresses as well, so the
// real one stays open: L0 sees each write to the gate's three switches, and masks in EPT01 instead
// (memory/ept01.hpp).
//
//   port 92H                    bit 1
//   keyboard controller         command D1H and then bit 1 of a byte to port 60H; commands DDH and DFH

#include <cstdint>

namespace shadowtune::devices {

class A20Gate {
public:
    static constexpr std::uint16_t keyboard_data{0x60};
    static constexpr std::uint16_t keyboard_command{0x64};
    static constexpr std::uint16_t system_control{0x92};

    [[nodiscard]] static constexpr bool has_port(std::uint16_t port) {
        return port == keyboard_data || port == keyboard_command || port == system_control;
    }

    // Bit 20 of L1's addresses counts.
    [[nodiscard]] constexpr bool is_open() const { return m_open; }

    // As it is at a machine's start: open, and port 60H is the keyboard's.
    [[nodiscard]] constexpr bool is_at_rest() const { return m_open && m_next == Next::keyboard; }

    // L1 writes `value` to one of the ports: what the hardware shall get.
    [[nodiscard]] constexpr std::uint8_t write(std::uint16_t port, std::uint8_t value) {
        switch (port) {
        case system_control: return set_by_bit(value);
        case keyboard_command: return command(value);
        default: break;
        }
        const bool is_output_port{m_next == Next::output_port_written};
        m_next = Next::keyboard;
        return is_output_port ? set_by_bit(value) : value;
    }

    // The hardware gave `value`: what L1 shall get.
    [[nodiscard]] constexpr std::uint8_t read(std::uint16_t port, std::uint8_t value) {
        if (port == system_control) return with_bit(value);
        if (port != keyboard_data || m_next != Next::output_port_read) return value;
        m_next = Next::keyboard;
        return with_bit(value);
    }

private:
    static constexpr std::uint8_t gate_bit{1U << 1};
    static constexpr std::uint8_t read_output_port{0xD0}, write_output_port{0xD1};
    static constexpr std::uint8_t close_gate{0xDD}, open_gate{0xDF}, first_pulse{0xF0};

    // What port 60H stands for.
    enum class Next : std::uint8_t { keyboard, output_port_read, output_port_written };

    constexpr std::uint8_t set_by_bit(std::uint8_t value) {
        m_open = (value & gate_bit) != 0;
        return static_cast<std::uint8_t>(value | gate_bit);
    }
    [[nodiscard]] constexpr std::uint8_t with_bit(std::uint8_t value) const {
        return static_cast<std::uint8_t>((value & ~gate_bit) | (m_open ? gate_bit : 0U));
    }
    constexpr std::uint8_t command(std::uint8_t value) {
        m_next = value == read_output_port    ? Next::output_port_read
                 : value == write_output_port ? Next::output_port_written
                                              : Next::keyboard;
        if (value == close_gate || value == open_gate) {
            m_open = value == open_gate;
            return open_gate;
        }
        // A pulse of the output port's lines, each where its bit is 0: not the gate's.
        return value >= first_pulse ? static_cast<std::uint8_t>(value | gate_bit) : value;
    }

    bool m_open{true};
    Next m_next{Next::keyboard};
};

} // namespace shadowtune::devices
