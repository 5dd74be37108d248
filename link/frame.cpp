#include "link/frame.hpp"

namespace shadowtune::link {

namespace {

constexpr std::uint8_t longest_run{0xFE}; // non-zero bytes that one COBS code byte can announce

// Writes COBS into `out` as the raw bytes come, so that no raw copy of the frame is needed. A code byte says
// where the next zero would be: code n stands for n - 1 bytes and a zero, code FFH for 254 bytes and no zero.
class CobsWriter {
public:
    explicit CobsWriter(std::span<std::uint8_t> out) : m_out{out} {}

    void put(std::uint8_t byte) {
        // A full run is closed only when another byte follows: at the end of the frame it needs no successor.
        if (m_run == longest_run) start_run();
        if (byte == 0) {
            start_run();
            return;
        }
        store(m_length++, byte);
        ++m_run;
    }

    // Ends the frame. Its length, or 0 where it did not fit.
    [[nodiscard]] std::size_t close() {
        start_run();
        // start_run() reserved a code byte for a run that will not come: the closing zero takes its place.
        store(m_code_at, 0);
        return m_length <= m_out.size() ? m_length : 0;
    }

private:
    void start_run() {
        store(m_code_at, static_cast<std::uint8_t>(m_run + 1U));
        m_code_at = m_length++;
        m_run = 0;
    }

    // Past the end nothing is written but the length goes on, so that one check at the end is enough.
    void store(std::size_t at, std::uint8_t byte) {
        if (at < m_out.size()) m_out[at] = byte;
    }

    std::span<std::uint8_t> m_out;
    std::size_t m_code_at{0};
    std::size_t m_length{1};
    std::uint8_t m_run{0};
};

// Undoes COBS in place: what it writes never passes what it reads. `bytes` holds no zero and is not empty.
// False where a code byte points past the end.
[[nodiscard]] bool decode_cobs(std::span<std::uint8_t> bytes, std::size_t& length) {
    std::size_t from{0};
    std::size_t to{0};
    while (from < bytes.size()) {
        const std::size_t code{bytes[from++]};
        const std::size_t run{code - 1};
        if (run > bytes.size() - from) return false;
        for (std::size_t i{0}; i < run; ++i)
            bytes[to++] = bytes[from++];
        // The last run's zero is the end of the frame, not data.
        if (code <= longest_run && from < bytes.size()) bytes[to++] = 0;
    }
    length = to;
    return true;
}

[[nodiscard]] std::uint16_t load16(const std::uint8_t* at) {
    return static_cast<std::uint16_t>(at[0] | (at[1] << 8));
}

[[nodiscard]] std::uint32_t load32(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(load16(at)) | (static_cast<std::uint32_t>(load16(at + 2)) << 16);
}

} // namespace

std::size_t encode_frame(MessageType type, std::uint16_t sequence, std::span<const std::uint8_t> payload,
                         std::span<std::uint8_t> out) {
    if (payload.size() > max_payload) return 0;
    const std::uint8_t header[frame_header_size]{
        static_cast<std::uint8_t>(protocol_version),
        static_cast<std::uint8_t>(type),
        static_cast<std::uint8_t>(sequence),
        static_cast<std::uint8_t>(sequence >> 8),
    };
    std::uint32_t crc{crc32c(payload, crc32c(header))};

    CobsWriter writer{out};
    for (const std::uint8_t byte : header)
        writer.put(byte);
    for (const std::uint8_t byte : payload)
        writer.put(byte);
    for (std::size_t i{0}; i < frame_crc_size; ++i, crc >>= 8)
        writer.put(static_cast<std::uint8_t>(crc));
    return writer.close();
}

bool FrameDecoder::push(std::uint8_t byte) {
    if (byte != 0) {
        if (m_length < sizeof(m_raw)) {
            m_raw[m_length++] = byte;
        } else {
            m_overflow = true;
        }
        return false;
    }
    // A lone zero is how a sender clears away a half frame before it: no frame, and no loss either.
    if (m_length == 0) return false;
    const bool whole{!m_overflow && finish()};
    if (!whole) ++m_dropped;
    m_length = 0;
    m_overflow = false;
    return whole;
}

bool FrameDecoder::finish() {
    std::size_t length{0};
    if (!decode_cobs({m_raw, m_length}, length)) return false;
    if (length < frame_header_size + frame_crc_size || length > max_raw_frame) return false;
    const std::size_t checked{length - frame_crc_size};
    if (crc32c({m_raw, checked}) != load32(m_raw + checked)) return false;
    if (m_raw[0] != protocol_version) return false;

    m_frame.type = static_cast<MessageType>(m_raw[1]);
    m_frame.sequence = load16(m_raw + 2);
    m_frame.payload = {m_raw + frame_header_size, checked - frame_header_size};
    count_sequence(m_frame.sequence);
    return true;
}

void FrameDecoder::count_sequence(std::uint16_t sequence) {
    const auto step{static_cast<std::uint16_t>(sequence - m_last_sequence)};
    if (!m_seen_any) {
        // Nothing to compare with: what came before this connection is not this decoder's loss.
    } else if (step == 0) {
        ++m_doubled;
    } else if (step < 0x8000) {
        m_missed += step - 1U;
    } else {
        // A serial line does not reorder: the sender has started anew, and what it sent before is not known.
        ++m_restarts;
    }
    m_seen_any = true;
    m_last_sequence = sequence;
}

} // namespace shadowtune::link
