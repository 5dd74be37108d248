#include "link/host/session.hpp"

#include "link/host/exchange.hpp"
#include "link/host/hello.hpp"

#include <algorithm>
#include <random>

namespace shadowtune::link {

namespace {

// How long a stop flag set from another thread may wait; a signal wakes us at once.
constexpr std::chrono::milliseconds longest_turn{50};
// So many frames are not lost in a row on a line that works: rather, a new boot has begun to count from zero.
constexpr std::uint64_t suspicious_gap{64};

} // namespace

Result<std::unique_ptr<Session>, LinkError> Session::open(std::string_view address, SessionOptions options) {
    auto parsed{parse_address(address)};
    if (!parsed) return Failure{parsed.error()};
    Transport transport{std::move(parsed).value(), options.transport};
    return std::make_unique<Session>(std::move(transport), std::move(options));
}

Session::Session(Transport transport, SessionOptions options)
    : m_transport{std::move(transport)}, m_options{std::move(options)} {
    // The VMM knows a repeated command by its id: another session must not begin where an earlier one did.
    m_id = std::random_device{}();
}

Session::Exchange Session::begin(std::string_view what, MessageType command) const {
    Exchange exchange;
    exchange.what = what;
    exchange.command = command;
    exchange.deadline = Clock::now() + m_options.deadline;
    exchange.silence = m_options.silence;
    return exchange;
}

Result<void, LinkError> Session::run(Exchange& exchange) {
    while (!exchange.done) {
        if (stopped())
            return Failure{
                error(LinkErrorKind::stopped, "stopped while waiting for " + std::string{exchange.what})};
        const auto now{Clock::now()};
        if (now >= exchange.deadline) return Failure{late(exchange)};
        send_due(exchange, now);
        const auto slice{std::clamp(m_options.silence / 4, std::chrono::milliseconds{1}, longest_turn)};
        if (auto turned{turn(&exchange, std::min(exchange.deadline, now + slice))}; !turned) return turned;
    }
    return {};
}

Result<bool, LinkError> Session::listen(std::chrono::milliseconds duration) {
    const auto end{Clock::now() + duration};
    for (auto now{Clock::now()}; now < end; now = Clock::now()) {
        if (stopped()) return false;
        if (auto turned{turn(nullptr, std::min(end, now + longest_turn))}; !turned)
            return Failure{turned.error()};
    }
    return !stopped();
}

Result<void, LinkError> Session::turn(Exchange* exchange, Clock::time_point until) {
    std::uint8_t bytes[4096];
    const auto got{m_transport.turn(bytes, until)};
    if (!got) return Failure{got.error()};
    if (m_transport.connections() != m_connection) begin_connection(exchange);
    if (got.value() != 0) m_last_byte = Clock::now();
    for (const std::uint8_t byte : std::span{bytes}.first(got.value())) {
        if (!m_decoder.push(byte)) continue;
        if (auto taken{take_frame(m_decoder.frame(), exchange)}; !taken) return taken;
    }
    return {};
}

void Session::begin_connection(Exchange* exchange) {
    m_counts = statistics();
    m_connection = m_transport.connections();
    m_decoder = FrameDecoder{};
    m_restarts_seen = 0;
    m_missed_seen = 0;
    // Ends whatever half frame the VMM still holds from before.
    const std::uint8_t zero[1]{0};
    m_transport.queue(zero);
    doubt_vmm(exchange);
}

// We may be talking to another boot, or another VMM: nothing that came so far may be mixed with what will
// come.
void Session::doubt_vmm(Exchange* exchange) {
    m_greeted = false;
    if (exchange == nullptr) return;
    if (exchange->forget) exchange->forget();
    exchange->sent = false;
}

Result<void, LinkError> Session::take_frame(const Frame& frame, Exchange* exchange) {
    ++m_counts.frames_received;
    const bool restarted{m_decoder.restarts() != m_restarts_seen ||
                         m_decoder.missed() - m_missed_seen >= suspicious_gap};
    m_restarts_seen = m_decoder.restarts();
    m_missed_seen = m_decoder.missed();
    if (restarted) doubt_vmm(exchange);

    switch (frame.type) {
    case MessageType::hello: return take_hello(frame, exchange);
    case MessageType::log: take_log(frame); break;
    default:
        // Answers of a VMM that has not said who it is wait for nobody; unknown types are a newer VMM's
        // business.
        if (exchange != nullptr && m_greeted && exchange->sent) take_answer(frame, *exchange);
    }
    return {};
}

Result<void, LinkError> Session::take_hello(const Frame& frame, Exchange* exchange) {
    auto unpacked{unpack_hello(frame.payload)};
    if (!unpacked) return Failure{error(LinkErrorKind::incompatible, unpacked.error())};
    const bool another{!m_hello || m_hello->boot_id != unpacked.value().boot_id};
    if (another && m_greeted) doubt_vmm(exchange);
    m_hello = std::move(unpacked).value();
    const bool first{!m_greeted};
    m_greeted = true;
    if (exchange != nullptr) {
        Command asked{};
        static_cast<void>(read_record(frame.payload, asked));
        if (exchange->wants_hello()) {
            exchange->done = exchange->done || (exchange->id != 0 && asked.id == exchange->id);
        } else if (first) {
            exchange->sent = false; // the greeting is there: now for the command itself
        }
    }
    if (another) {
        ++m_counts.boots;
        if (m_options.on_boot) m_options.on_boot(*m_hello);
    }
    return {};
}

void Session::take_answer(const Frame& frame, Exchange& exchange) {
    if (exchange.done || !exchange.take) return;
    const Progress progress{exchange.take(frame, exchange.id)};
    if (progress == Progress::foreign) return;
    const auto now{Clock::now()};
    exchange.last_progress = now;
    exchange.silence = m_options.silence;
    if (progress == Progress::done) exchange.done = true;
    if (progress == Progress::again || progress == Progress::later) {
        exchange.sent = false;
        exchange.id = 0;
        // A VMM that is busy waits for its vCPUs' next exits; to ask at once would only fill the line.
        if (progress == Progress::later) exchange.not_before = now + std::chrono::milliseconds{20};
    }
}

void Session::take_log(const Frame& frame) const {
    Log log{};
    if (!m_options.on_log || !read_record(frame.payload, log)) return;
    const auto level{std::min(log.level, static_cast<std::uint8_t>(LogLevel::error))};
    const auto text{frame.payload.subspan(sizeof(log))};
    m_options.on_log(static_cast<LogLevel>(level),
                     unpack_text(reinterpret_cast<const char*>(text.data()), text.size()));
}

// Sends what is due: first the request for a greeting, then the command; again after a silence.
void Session::send_due(Exchange& exchange, Clock::time_point now) {
    if (!m_transport.connected() || now < exchange.not_before) return;
    if (exchange.sent) {
        const auto heard{std::max({exchange.last_sent, exchange.last_progress, m_last_byte})};
        const auto served{std::max(exchange.last_sent, exchange.last_progress)};
        if (now - heard < exchange.silence && now - served < m_options.patience) return;
        exchange.silence = std::min(2 * exchange.silence, 4 * m_options.silence);
    }
    exchange.sent = true;
    exchange.last_sent = now;
    if (!m_greeted && !exchange.wants_hello()) {
        if (exchange.greetings++ != 0) ++m_counts.resends;
        const Command request{new_id()};
        send(MessageType::hello_request, {reinterpret_cast<const std::uint8_t*>(&request), sizeof(request)});
        return;
    }
    if (exchange.sendings++ != 0) ++m_counts.resends;
    if (exchange.id == 0 || exchange.fresh_id) exchange.id = new_id();
    send(exchange.command, exchange.payload(exchange.id));
}

void Session::send(MessageType type, std::span<const std::uint8_t> payload) {
    std::uint8_t frame[max_encoded_frame];
    const std::size_t length{encode_frame(type, m_sequence++, payload, frame)};
    m_transport.queue({frame, length});
    ++m_counts.frames_sent;
}

std::uint32_t Session::new_id() {
    if (++m_id == 0) ++m_id; // 0 means unasked
    return m_id;
}

SessionStatistics Session::statistics() const {
    SessionStatistics all{m_counts};
    all.frames_dropped += m_decoder.dropped();
    all.frames_missed += m_decoder.missed();
    all.frames_doubled += m_decoder.doubled();
    all.reconnects = m_transport.connections() > 1 ? m_transport.connections() - 1 : 0;
    return all;
}

LinkError Session::late(const Exchange& exchange) const {
    const std::string time{std::to_string(m_options.deadline.count()) + " ms"};
    if (m_connection == 0) {
        const std::string& trouble{m_transport.trouble()};
        return {LinkErrorKind::no_connection, trouble.empty()
                                                  ? error({}, "no connection within " + time).message
                                                  : trouble + " (tried for " + time + ")"};
    }
    if (!m_transport.connected()) {
        return error(LinkErrorKind::no_connection,
                     "the connection was cut while waiting for " + std::string{exchange.what} +
                         " and did not come back within " + time + "; is the VMM still running?");
    }
    if (!m_greeted) {
        return error(LinkErrorKind::timed_out, "no VMM answered within " + time +
                                                   "; is shadowtune-vmm.elf booted, is this its serial port "
                                                   "(COM2), and does no other program, such "
                                                   "as a recorder, hold the link?");
    }
    return error(LinkErrorKind::timed_out,
                 "the VMM did not send " + std::string{exchange.what} + " within " + time + " (" +
                     std::to_string(statistics().frames_dropped) +
                     " damaged frames so far); a slow line needs a longer time-out");
}

LinkError Session::error(LinkErrorKind kind, const std::string& what) const {
    return {kind, "link " + m_transport.address().text + ": " + what};
}

} // namespace shadowtune::link
