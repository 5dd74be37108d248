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

    // TSC ticks that one byte takes on the line, measured with a zero byte, which closes no frame. Only how
    // often the UART is looked at hangs on it: what one TSC tick is, is known in the lab and told by few
    // processors.
    [[nodiscard]] std::uint64_t measure_byte();

    // Sends up to a FIFO's worth where the transmitter is empty; returns how many bytes were taken.
    [[nodiscard]] unsigned send(const std::uint8_t* bytes, unsigned count);

    // Waits until the last byte has left the line.
    void drain();

    // True with a byte where one has arrived.
    [[nodiscard]] bool receive(std::uint8_t& byte);

    static constexpr unsigned fifo_size{16};

private:
    [[nodiscard]] bool is_idle() const;

    std::uint16_t m_base;
};

} // namespace shadowtune::devices
