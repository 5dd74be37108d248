#pragma once

// One host's talk with one VMM: commands until they are answered, over a line that loses, doubles and damages
// frames, is slow, and may be cut at any moment. Every call ends by its deadline or the stop flag. Not
// thread-safe.

#include "link/frame.hpp"
#include "link/host/snapshot.hpp"
#include "link/host/snapshot_guard.hpp"
#include "link/host/transport.hpp"
#include "link/save_messages.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace shadowtune::link {

struct SessionOptions {
    // Of one call, reconnects and repetitions included.
    std::chrono::milliseconds deadline{30'000};
    // No byte for so long: the command or its answer is taken for lost and is sent again, each time after
    // twice as long as before, up to four times this. A VMM reads its UART only when it has an exit.
    std::chrono::milliseconds silence{1'000};
    // Bytes flow but none of the answer: a slow line may be busy with what was asked before. A snapshot is
    // some KB from a real L1, 390 KB where every counter there is was touched; a byte takes 0.09 ms and more.
    std::chrono::milliseconds patience{10'000};
    // Set from a signal handler or another thread: the call ends within 0.1 s with `stopped`.
    const std::atomic<bool>* stop{nullptr};
    // Called from within the calls of Session. Text is not terminated, and may hold any byte that L0 sent.
    std::function<void(LogLevel, std::string_view)> on_log{};
    // A VMM was met for the first time, or another boot of it: its counters begin anew, its profile is
    // forgotten.
    std::function<void(const HelloInfo&)> on_boot{};
    TransportOptions transport{};
};

// Since the session began, over all connections.
struct SessionStatistics {
    std::uint64_t frames_received{0};
    std::uint64_t frames_sent{0};
    std::uint64_t frames_dropped{0}; // damaged on the way here
    std::uint64_t frames_missed{0};  // never came, by their sequence numbers
    std::uint64_t frames_doubled{0};
    std::uint64_t resends{0};           // commands sent again
    std::uint64_t reconnects{0};        // connections after the first
    std::uint64_t snapshots{0};         // whole and accepted
    std::uint64_t snapshots_lost{0};    // incomplete, asked for again
    std::uint64_t snapshots_refused{0}; // whole, but a count went back
    std::uint64_t boots{0};             // VMM starts seen
};

class Session {
public:
    // Errors: bad_address. Connecting is left to the first call.
    [[nodiscard]] static Result<std::unique_ptr<Session>, LinkError> open(std::string_view address,
                                                                          SessionOptions options = {});
    Session(Transport transport, SessionOptions options);

    // Of the calls from now on: SessionOptions::deadline.
    [[nodiscard]] std::chrono::milliseconds deadline() const { return m_options.deadline; }
    void set_deadline(std::chrono::milliseconds deadline) { m_options.deadline = deadline; }

    // All calls: errors as in LinkErrorKind; the session stays good after an error.

    // Who is there: asked anew each time.
    [[nodiscard]] Result<HelloInfo, LinkError> hello();
    // Whole, of one boot, no count below that of the snapshot before.
    [[nodiscard]] Result<Snapshot, LinkError> snapshot();
    [[nodiscard]] Result<FingerprintInfo, LinkError> fingerprint();
    // Both: the generation that the command made or will make; status() tells who runs it already.
    [[nodiscard]] Result<std::uint32_t, LinkError> load_profile(const ProfileImage& image);
    [[nodiscard]] Result<std::uint32_t, LinkError> set_mode(Mode mode, std::uint16_t sample_interval = 0);
    // One more profile to pick from when L1 runs its first L2; `image` as in link/recognition_messages.hpp.
    // `is_first`: what was on board before is forgotten.
    [[nodiscard]] Result<void, LinkError> add_profile(std::span<const std::byte> image, bool is_first);
    // One for each vCPU, in order.
    [[nodiscard]] Result<std::vector<VcpuStatus>, LinkError> status();
    // What the processor's VMX instructions take.
    [[nodiscard]] Result<Timings, LinkError> timings();
    // Stops L1 and brings its saved state (link/saved_state.hpp), whole: L1 stands still until it is
    // released. Each call of the three may be made again after an error, with another session too: what came
    // over stays.
    [[nodiscard]] Result<std::vector<std::uint8_t>, LinkError> save();
    // What becomes of the saved L1; `blob` is what save() brought. `restart`: returns once the VMM has
    // started anew.
    [[nodiscard]] Result<void, LinkError> release(std::span<const std::uint8_t> blob, ReleaseAction action);
    // Brings a saved L1 into a VMM that awaits it; it runs then.
    [[nodiscard]] Result<void, LinkError> restore(std::span<const std::uint8_t> blob);
    // Waits, takes log lines and greetings meanwhile, keeps the connection up. True: the time is over. False:
    // the stop flag is set. Error: bad_address.
    [[nodiscard]] Result<bool, LinkError> listen(std::chrono::milliseconds duration);

    [[nodiscard]] SessionStatistics statistics() const;
    [[nodiscard]] bool connected() const { return m_transport.connected(); }

private:
    // One command on its way to its answer.
    struct Exchange;
    // What a frame did to it. again: send anew under a new id; later: the same, after a pause.
    enum class Progress : std::uint8_t { foreign, progress, again, later, done };

    [[nodiscard]] Exchange begin(std::string_view what, MessageType command) const;
    [[nodiscard]] Result<void, LinkError> run(Exchange& exchange);
    [[nodiscard]] Result<void, LinkError> turn(Exchange* exchange, Clock::time_point until);
    [[nodiscard]] Result<void, LinkError> take_frame(const Frame& frame, Exchange* exchange);
    [[nodiscard]] Result<void, LinkError> take_hello(const Frame& frame, Exchange* exchange);
    void take_answer(const Frame& frame, Exchange& exchange);
    void take_log(const Frame& frame) const;
    void begin_connection(Exchange* exchange);
    void doubt_vmm(Exchange* exchange);
    void send_due(Exchange& exchange, Clock::time_point now);
    void send(MessageType type, std::span<const std::uint8_t> payload);

    [[nodiscard]] Result<Snapshot, LinkError> unchecked_snapshot(Clock::time_point deadline);
    [[nodiscard]] Result<std::uint32_t, LinkError> command(Exchange& exchange);
    // Sends it until a record of this type answers it; an answer other than done is the error.
    template <typename Record>
    [[nodiscard]] Result<Record, LinkError> answered_by(MessageType type, Exchange& exchange);
    [[nodiscard]] Result<BlobState, LinkError> blob_command(Exchange& exchange);
    [[nodiscard]] Result<void, LinkError> saved_command(Exchange& exchange);
    [[nodiscard]] Result<std::vector<std::uint8_t>, LinkError> fetch(std::uint32_t crc, std::uint32_t size);
    [[nodiscard]] LinkError saved_refusal(std::uint8_t status, std::uint8_t detail,
                                          std::uint16_t about) const;
    [[nodiscard]] LinkError refusal(std::string_view what, const Acknowledge& answer) const;
    [[nodiscard]] LinkError late(const Exchange& exchange) const;
    [[nodiscard]] LinkError error(LinkErrorKind kind, const std::string& what) const;
    [[nodiscard]] bool stopped() const { return m_options.stop != nullptr && m_options.stop->load(); }
    [[nodiscard]] std::uint32_t new_id();

    Transport m_transport;
    SessionOptions m_options;
    FrameDecoder m_decoder;
    SessionStatistics m_counts;       // without what m_decoder counts itself
    std::uint64_t m_connection{0};    // the transport's count at the time of m_decoder
    std::uint64_t m_restarts_seen{0}; // m_decoder's counts at the last frame
    std::uint64_t m_missed_seen{0};
    std::uint16_t m_sequence{0};
    std::uint32_t m_id{0};
    bool m_greeted{false}; // m_hello is of this connection's VMM, as far as we know
    std::optional<HelloInfo> m_hello;
    SnapshotGuard m_guard;
    Clock::time_point m_last_byte{};
};

} // namespace shadowtune::link
