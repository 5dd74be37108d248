#pragma once

// A 16550 UART, polled: L0 takes no interrupts. COM2 is L0's alone; L1 finds nothing at its ports.

#include <cstdint>

namespace shadowtune::devices {

inline constexpr std::uint16_t com2_base{0x2F8};
inline constexpr std::uint16_t uart_ports{8};

class Uart {
public:
    explicit Uart(std::uint16_t base) : m_base{base} {}

    // 115200 8N1, FIFOs on, interrupts off. False where no UART answers.
    [[nodiscard]] bool start();

    // Sends up to a FIFO's worth where the transmitter is empty; returns how many bytes were taken.
    [[nodiscard]] unsigned send(const std::uint8_t* bytes, unsigned count);

    // True with a byte where one has arrived.
    [[nodiscard]] bool receive(std::uint8_t& byte);

private:
    std::uint16_t m_base;
};

} // namespace shadowtune::devices
