#include "hypervisor/devices/uart.hpp"

#include "hypervisor/cpu/registers.hpp"

namespace shadowtune::devices {

namespace {

// Register offsets and bits: National Semiconductor PC16550D data sheet, section 8.
enum Register : std::uint16_t {
    data = 0,
    interrupt_enable = 1,
    fifo_control = 2,
    line_control = 3,
    modem_control = 4,
    line_status = 5,
    scratch = 7,
};
constexpr std::uint8_t divisor_latch{0x80};
constexpr std::uint8_t eight_bits_no_parity{0x03};
constexpr std::uint8_t fifos_on_and_cleared{0x07};
constexpr std::uint8_t dtr_rts_out2{0x0B};
constexpr std::uint8_t data_ready{0x01};
constexpr std::uint8_t transmitter_empty{0x20};
constexpr std::uint8_t transmitter_idle{0x40};
// 115200 baud at 10 GHz: no line is slower than that.
constexpr std::uint64_t longest_byte{1'000'000};

} // namespace

bool Uart::start() {
    cpu::out8(m_base + scratch, 0x5A);
    if (cpu::in8(m_base + scratch) != 0x5A) return false;
    cpu::out8(m_base + interrupt_enable, 0);
    cpu::out8(m_base + line_control, divisor_latch);
    cpu::out8(m_base + data, 1); // 115200 baud
    cpu::out8(m_base + interrupt_enable, 0);
    cpu::out8(m_base + line_control, eight_bits_no_parity);
    cpu::out8(m_base + fifo_control, fifos_on_and_cleared);
    cpu::out8(m_base + modem_control, dtr_rts_out2);
    return true;
}

bool Uart::is_idle() const {
    return (cpu::in8(m_base + line_status) & transmitter_idle) != 0;
}

std::uint64_t Uart::measure_byte() {
    const std::uint64_t patience{cpu::rdtsc() + longest_byte};
    while (!is_idle() && cpu::rdtsc() < patience) {
    }
    const std::uint64_t start{cpu::rdtsc()};
    cpu::out8(m_base + data, 0);
    while (!is_idle() && cpu::rdtsc() - start < longest_byte) {
    }
    return cpu::rdtsc() - start;
}

void Uart::drain() {
    const std::uint64_t start{cpu::rdtsc()};
    while (!is_idle() && cpu::rdtsc() - start < (fifo_size + 1) * longest_byte) {
    }
}

unsigned Uart::send(const std::uint8_t* bytes, unsigned count) {
    if ((cpu::in8(m_base + line_status) & transmitter_empty) == 0) return 0;
    unsigned sent{0};
    for (; sent < count && sent < fifo_size; ++sent)
        cpu::out8(m_base + data, bytes[sent]);
    return sent;
}

bool Uart::receive(std::uint8_t& byte) {
    if ((cpu::in8(m_base + line_status) & data_ready) == 0) return false;
    byte = cpu::in8(m_base + data);
    return true;
}

} // namespace shadowtune::devices
