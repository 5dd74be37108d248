#pragma once

// The VMM's end of the link for tests of the host's end: it answers messages, over a line with faults, and
// does nothing else of what a VMM does. Its counters follow one number, so that a snapshot mixed from two
// shows at once.

#include "link/frame.hpp"
#include "link/host/unique_fd.hpp"
#include "link/recognition_messages.hpp"
#include "link/save_messages.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace shadowtune::link::test {

using Bytes = std::vector<std::uint8_t>;

// The counters of snapshot number n: each is n times its own constant.
inline constexpr std::size_t fake_counters{1000};
// And the round trips of one reason, n.
inline constexpr std::size_t fake_records{fake_counters + 1};
inline constexpr std::uint8_t fake_reason{10};
inline constexpr std::uint16_t fake_parts{(fake_records + records_per_part - 1) / records_per_part};
inline constexpr std::uint64_t factor(std::size_t counter) {
    return counter * 7 + 3;
}
[[nodiscard]] CounterRecord fake_counter(std::size_t counter, std::uint64_t n);

// Snapshot number n under this id, payload by payload.
struct Message {
    MessageType type;
    Bytes payload;
};
[[nodiscard]] std::vector<Message> fake_snapshot(std::uint32_t id, std::uint16_t vcpu, std::uint64_t n,
                                                 Mode mode = Mode::trap, std::uint32_t generation = 0,
                                                 std::uint32_t since = 0, std::uint64_t sampled = 0);
// Where that is not 0, `sampled` round trips, besides: an even number, each second of which read guest_rip
// twice, and the others not at all. They are one in so many of all that were made meanwhile.
inline constexpr std::uint16_t fake_sample_interval{64};

struct FakeOptions {
    std::uint16_t vcpus{1};
    std::uint64_t boot_id{0xB001};
    std::uint32_t catalogue_version{vmcs::catalogue_version};
    unsigned fault_one_in{0};                  // frames dropped, doubled or damaged, each way; 0: none
    std::chrono::microseconds per_byte{0};     // how slow the line is, outwards
    std::size_t cut_after{0};                  // bytes of one connection, outwards; 0: never
    bool mute{false};                          // reads and never answers
    bool counts_go_back{false};                // from the second snapshot on
    unsigned busy_answers{0};                  // commands answered with busy before one is taken
    CommandStatus refuse{CommandStatus::done}; // other: every command is refused so
    unsigned sampled_each{0};                  // round trips that a snapshot in mode sample has more; even
    bool chatter{false};                       // log lines, unknown and malformed frames between the answers
    unsigned seed{1};
    // L1's; none: it has run no L2 yet. From the third time that it is asked for.
    std::optional<vmcs::Fingerprint> fingerprint{};
};

class FakeVmm {
public:
    explicit FakeVmm(FakeOptions options) : m_options{options}, m_random{options.seed} {}
    ~FakeVmm() { stop(); }
    FakeVmm(const FakeVmm&) = delete;
    FakeVmm& operator=(const FakeVmm&) = delete;

    // One of these, once. Unix: listens at `path`. TCP: on loopback; returns the port. Terminal: the master
    // of a pty.
    void listen_unix(const std::string& path);
    [[nodiscard]] std::uint16_t listen_tcp();
    void serve_terminal(UniqueFd master);
    void stop();

    // Power-cycles: counters from zero, another boot_id, the frames' sequence numbers anew; a greeting unless
    // `silent`.
    void reboot(std::uint64_t boot_id, bool silent);
    void cut() { m_cut = true; }

    void stop_l1() { m_l1_stopped = true; }

    // What a save brings; what was restored and committed last, empty before.
    void set_saved(Bytes blob);
    [[nodiscard]] Bytes restored();
    [[nodiscard]] unsigned commits() const { return m_commits; }
    void await_l1() { m_l1_state = L1State::awaited; }
    [[nodiscard]] L1State l1_state() const { return m_l1_state; }

    [[nodiscard]] std::uint32_t generation() const { return m_generation; }
    [[nodiscard]] std::uint64_t connections() const { return m_connections; }
    [[nodiscard]] Mode mode() const { return m_mode; }

private:
    void start(UniqueFd listener);
    void accept_and_serve(int listener);
    void serve(int fd);
    [[nodiscard]] bool receive(int fd, FrameDecoder& decoder, Bytes& frame);
    void take(const Frame& frame);
    void take_command(MessageType type, std::uint32_t id, const Frame& frame);
    [[nodiscard]] bool take_save_command(const Frame& frame);
    void send_blob_state(MessageType command, std::uint32_t id, CommandStatus status);
    void greet(std::uint32_t id);
    void send_fingerprint(std::uint32_t id);
    void send(MessageType type, const Bytes& payload);
    void put(const Bytes& encoded);
    // What the line makes of one frame, its closing zero included.
    [[nodiscard]] std::vector<Bytes> line(const Bytes& frame);

    FakeOptions m_options;
    std::mt19937 m_random;
    std::recursive_mutex m_mutex;
    std::thread m_thread;
    std::atomic<bool> m_stop{false};
    std::atomic<bool> m_cut{false};
    std::atomic<bool> m_l1_stopped{false};
    std::atomic<std::uint32_t> m_generation{0};
    std::atomic<std::uint64_t> m_connections{0};
    std::atomic<Mode> m_mode{Mode::trap};
    int m_fd{-1};
    std::size_t m_sent{0};
    bool m_broken{false};
    std::uint16_t m_sequence{0};
    std::uint64_t m_snapshots{0};
    std::uint64_t m_sampled{0};
    std::uint32_t m_last_number{0};
    unsigned m_fingerprints{0};
    Bytes m_saved;
    Bytes m_incoming;
    Bytes m_restored;
    std::uint32_t m_incoming_crc{0};
    std::uint32_t m_incoming_size{0};
    std::atomic<unsigned> m_commits{0};
    std::atomic<L1State> m_l1_state{L1State::running};
    std::map<std::uint32_t, Bytes> m_answered; // by id: repeated, not done again
};

} // namespace shadowtune::link::test
