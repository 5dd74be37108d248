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
    explicit LinkPort(std::uint16_t base) : m_uart{base} {}

    // False where there is no UART: the VMM then runs without a link.
    [[nodiscard]] bool start();

    // TSC ticks after which L0 must look at the UART at the latest, so that its receiver does not overrun.
    [[nodiscard]] std::uint64_t longest_interval() const { return m_byte_ticks * idle_bytes; }

    // Queues one message; false where the queue has no room for it (the caller tries again later or drops
    // it).
    bool send(link::MessageType type, std::span<const std::uint8_t> payload);

    template <typename Record>
    bool send(link::MessageType type, const Record& record) {
        return send(type, {reinterpret_cast<const std::uint8_t*>(&record), sizeof(Record)});
    }

    // Whether the time has come to move bytes. L1 may set the TSC back: a time before the last look is one
    // that has come.
    [[nodiscard]] bool is_due(std::uint64_t now) const { return now - m_last_look >= m_quiet; }

    // Moves bytes out and in if the time has come; true with frame() where a command has arrived.
    [[nodiscard]] bool poll(std::uint64_t now);
    [[nodiscard]] const link::Frame& frame() const { return m_decoder.frame(); }

    [[nodiscard]] bool idle() const { return m_head == m_tail; }
    // Room for this many largest frames: a snapshot is queued part by part.
    [[nodiscard]] bool has_room() const { return queued() + link::max_encoded_frame < queue_size; }

    // Sends what is queued to the end, however long it takes: before L0 ends the machine.
    void drain();

private:
    // Looks at the UART are this many byte times apart: with nothing going on, the first bytes of a command
    // must still find room in the receiver's FIFO; with bytes on their way, a FIFO's worth should leave or
    // come at each look.
    static constexpr std::uint64_t idle_bytes{Uart::fifo_size - 4};
    static constexpr std::uint64_t busy_bytes{Uart::fifo_size / 2};

    static constexpr std::size_t queue_size{8192};
    static_assert((queue_size & (queue_size - 1)) == 0);

    [[nodiscard]] std::size_t queued() const { return m_tail - m_head; }
    void push_out();

    Uart m_uart;
    bool m_present{false};
    std::uint64_t m_byte_ticks{100'000};
    std::uint64_t m_last_look{0};
    std::uint64_t m_quiet{0}; // TSC ticks from then on without another look
    link::FrameDecoder m_decoder{};
    std::uint16_t m_sequence{0};
    std::size_t m_head{0}; // ever growing; the place is modulo queue_size
    std::size_t m_tail{0};
    std::uint8_t m_queue[queue_size]{};
};

} // namespace shadowtune::devices
