#pragma once

// L0's end of the link: frames over the UART, moved in small steps whenever L0 runs.

#include "hypervisor/devices/uart.hpp"
#include "link/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::devices {

class LinkPort {
public:
    // TSC ticks between two looks at the UART. Idle, the first bytes of a command must not overrun the receiver's FIFO:
    // 16 bytes take 0.7 million ticks of the lab (115200 baud, 500 million ticks a second), 4 million at 3 GHz.
    static constexpr std::uint64_t busy_interval{100'000};
    static constexpr std::uint64_t idle_interval{500'000};

    explicit LinkPort(std::uint16_t base) : m_uart{base} {}

    // False where there is no UART: the VMM then runs without a link.
    [[nodiscard]] bool start() { return m_present = m_uart.start(); }

    // Queues one message; false where the queue has no room for it (the caller tries again later or drops it).
    bool send(link::MessageType type, std::span<const std::uint8_t> payload);

    template <typename Record>
    bool send(link::MessageType type, const Record& record) {
        return send(type, {reinterpret_cast<const std::uint8_t*>(&record), sizeof(Record)});
    }

    // Moves bytes out and in if the time has come; true with frame() where a command has arrived.
    [[nodiscard]] bool poll(std::uint64_t now);
    [[nodiscard]] const link::Frame& frame() const { return m_decoder.frame(); }

    [[nodiscard]] bool idle() const { return m_head == m_tail; }
    // Room for this many largest frames: a snapshot is queued part by part.
    [[nodiscard]] bool has_room() const { return queued() + link::max_encoded_frame < queue_size; }

    // Sends what is queued to the end, however long it takes: before L0 ends the machine.
    void drain();

private:
    static constexpr std::size_t queue_size{8192};
    static_assert((queue_size & (queue_size - 1)) == 0);

    [[nodiscard]] std::size_t queued() const { return m_tail - m_head; }
    void push_out();

    Uart m_uart;
    bool m_present{false};
    std::uint64_t m_next_poll{0};
    link::FrameDecoder m_decoder{};
    std::uint16_t m_sequence{0};
    std::size_t m_head{0}; // ever growing; the place is modulo queue_size
    std::size_t m_tail{0};
    std::uint8_t m_queue[queue_size]{};
};

} // namespace shadowtune::devices
