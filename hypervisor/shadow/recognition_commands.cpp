// What the host asks about L1's recognition.

#include "hypervisor/shadow/commands.hpp"
#include "link/recognition_messages.hpp"

namespace shadowtune::shadow {

namespace {

// Words of one log line.
class Line {
public:
    Line& operator<<(std::string_view words) {
        const std::size_t room{sizeof(m_text) - m_length};
        const std::size_t length{words.size() < room ? words.size() : room};
        __builtin_memcpy(m_text + m_length, words.data(), length);
        m_length += length;
        return *this;
    }
    [[nodiscard]] std::string_view text() const { return {m_text, m_length}; }

private:
    char m_text[128];
    std::size_t m_length{0};
};

} // namespace

void Commands::send_fingerprint(std::uint32_t id) {
    const Recognition& recognition{m_machine.recognition};
    link::FingerprintReport report{};
    report.id = id;
    const link::RecognitionState state{recognition.state()};
    report.state = static_cast<std::uint8_t>(state);
    const bool seen{state == link::RecognitionState::seen};
    if (seen) report.outcome = recognition.outcome();
    std::uint8_t payload[link::max_payload];
    __builtin_memcpy(payload, &report, sizeof(report));
    std::size_t size{sizeof(report)};
    if (seen) size += link::pack(recognition.fingerprint(), std::span{payload}.subspan(size));
    m_machine.link.send(link::MessageType::fingerprint, {payload, size});
}

void Commands::add_profile(const link::Frame& frame) {
    link::AddProfile command{};
    const auto answer_with{[&](link::CommandStatus status) { refuse(frame.type, command.id, status); }};
    if (!link::read_record(frame.payload, command)) return;
    Recognition& recognition{m_machine.recognition};
    if (recognition.is_settled()) return answer_with(link::CommandStatus::l2_has_run);
    if (!recognition.claim()) return answer_with(link::CommandStatus::busy);
    const std::span<const std::uint8_t> image{frame.payload.subspan(sizeof(command))};
    if (command.is_first != 0) m_machine.library->clear();
    const auto added{m_machine.library->add(image)};
    recognition.settle(link::RecognitionState::awaited);
    if (!added) return answer_with(added.error());
    if (added.value() != image.size()) return answer_with(link::CommandStatus::malformed);
    acknowledge(frame.type, command.id, m_machine.generations.newest().number);
}

void Commands::log_recognition() {
    if (m_has_logged_recognition || m_machine.recognition.state() != link::RecognitionState::seen) return;
    m_has_logged_recognition = true;
    const link::RecognitionOutcome& outcome{m_machine.recognition.outcome()};
    const auto verdict{static_cast<link::Verdict>(outcome.verdict)};
    if (verdict == link::Verdict::none) return;
    Line line{};
    line << "L1 is ";
    if (verdict == link::Verdict::recognised) {
        line << "recognised: " << link::name_in(outcome.type);
    } else {
        line << "unknown";
    }
    const std::string_view profile{link::name_in(outcome.profile)};
    if (profile.empty()) {
        line << "; every access traps";
    } else {
        line << "; profile " << profile;
    }
    log(link::LogLevel::info, line.text());
}

} // namespace shadowtune::shadow
