#include "hypervisor/devices/link_port.hpp"

namespace shadowtune::devices {

bool LinkPort::start() {
    m_present = m_uart.start();
    if (m_present) m_byte_ticks = m_uart.measure_byte();
    m_quiet = m_present ? 0 : ~std::uint64_t{0};
    return m_present;
}

bool LinkPort::send(link::MessageType type, std::span<const std::uint8_t> payload) {
    if (!m_present || !has_room()) return false;
    std::uint8_t encoded[link::max_encoded_frame];
    const std::size_t length{link::encode_frame(type, m_sequence, payload, encoded)};
    if (length == 0) return false;
    ++m_sequence;
    for (std::size_t i{0}; i < length; ++i)
        m_queue[m_tail++ % queue_size] = encoded[i];
    m_quiet = 0;
    return true;
}

void LinkPort::push_out() {
    if (idle()) return;
    // The run up to the ring's end; what is behind it goes with the next call.
    const std::size_t start{m_head % queue_size};
    const std::size_t run{queue_size - start < queued() ? queue_size - start : queued()};
    m_head += m_uart.send(m_queue + start, static_cast<unsigned>(run));
}

bool LinkPort::poll(std::uint64_t now) {
    if (!m_present || !is_due(now)) return false;
    push_out();
    std::uint8_t byte{};
    bool received{false};
    while (m_uart.receive(byte)) {
        received = true;
        if (m_decoder.push(byte)) return true; // the next call goes on behind this frame at once
    }
    m_last_look = now;
    m_quiet = m_byte_ticks * (idle() && !received ? idle_bytes : busy_bytes);
    return false;
}

void LinkPort::drain() {
    while (m_present && !idle())
        push_out();
    if (m_present) m_uart.drain();
}

} // namespace shadowtune::devices
