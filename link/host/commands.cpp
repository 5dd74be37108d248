// The commands of Session: what each one sends, and what counts as its answer.

#include "link/host/exchange.hpp"
#include "link/host/hello.hpp"
#include "link/host/session.hpp"
#include "link/host/snapshot_assembler.hpp"

#include <map>

namespace shadowtune::link {

namespace {

// So many snapshots in a row whose counts went back are no accident of a reboot just then.
constexpr int most_refusals{3};

[[nodiscard]] std::vector<std::uint8_t> plain_command(std::uint32_t id) {
    return bytes_of(Command{id});
}

[[nodiscard]] VcpuStatus unpack(const Status& record) {
    VcpuStatus status;
    status.vcpu = record.vcpu;
    status.mode = static_cast<Mode>(record.mode);
    status.sample_interval = record.sample_interval;
    status.l1_state = static_cast<L1State>(record.l1_state);
    status.generation = record.generation;
    status.newest_generation = record.newest_generation;
    status.tsc = record.tsc;
    status.round_trips = record.round_trips;
    status.round_trip_ticks = record.round_trip_ticks;
    status.last_reload_ticks = record.last_reload_ticks;
    status.profile_name = unpack_text(record.profile_name, sizeof(record.profile_name));
    return status;
}

} // namespace

Result<HelloInfo, LinkError> Session::hello() {
    Exchange exchange{begin("its greeting", MessageType::hello_request)};
    exchange.payload = plain_command;
    if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
    return *m_hello;
}

Result<Snapshot, LinkError> Session::snapshot() {
    const auto deadline{Clock::now() + m_options.deadline};
    for (int refusals{1};; ++refusals) {
        auto snapshot{unchecked_snapshot(deadline)};
        if (!snapshot) return snapshot;
        const auto accepted{m_guard.accept(snapshot.value())};
        if (accepted) {
            ++m_counts.snapshots;
            return snapshot;
        }
        ++m_counts.snapshots_refused;
        // The one good reason is a reboot that we have not noticed: let the VMM say who it is before it is
        // asked again.
        m_greeted = false;
        if (refusals == most_refusals) {
            return Failure{error(LinkErrorKind::inconsistent,
                                 accepted.error() +
                                     " within one boot; the VMM's counters cannot be trusted, report this")};
        }
    }
}

Result<Snapshot, LinkError> Session::unchecked_snapshot(Clock::time_point deadline) {
    std::optional<SnapshotAssembler> assembler;
    Exchange exchange{begin("a snapshot", MessageType::snapshot_request)};
    exchange.deadline = deadline;
    exchange.fresh_id = true;
    exchange.payload = [&](std::uint32_t id) {
        if (!assembler) {
            const bool same_boot{m_guard.last().boot_id == m_hello->boot_id};
            assembler.emplace(m_hello->vcpus, same_boot ? &m_guard.last() : nullptr);
        }
        assembler->expect(id);
        return bytes_of(SnapshotRequest{id, assembler->known_number()});
    };
    exchange.take = [&](const Frame& frame, std::uint32_t id) {
        if (!assembler) return Progress::foreign;
        switch (assembler->push(frame)) {
        case SnapshotAssembler::Outcome::foreign: return Progress::foreign;
        case SnapshotAssembler::Outcome::progress: return Progress::progress;
        case SnapshotAssembler::Outcome::whole: return Progress::done;
        // An earlier answer given up is no reason to ask a third time.
        case SnapshotAssembler::Outcome::broken:
            return assembler->broken_id() == id ? Progress::again : Progress::progress;
        }
        return Progress::foreign;
    };
    const auto count_lost{[&] {
        if (assembler) m_counts.snapshots_lost += assembler->lost() + assembler->unfinished();
    }};
    exchange.forget = [&] {
        count_lost();
        assembler.reset();
    };
    const auto ran{run(exchange)};
    count_lost();
    if (!ran) return Failure{ran.error()};
    Snapshot snapshot{assembler->take()};
    snapshot.boot_id = m_hello->boot_id;
    return snapshot;
}

Result<std::vector<VcpuStatus>, LinkError> Session::status() {
    std::map<std::uint16_t, VcpuStatus> answers;
    Exchange exchange{begin("its status", MessageType::status_request)};
    exchange.payload = plain_command;
    exchange.take = [&](const Frame& frame, std::uint32_t id) {
        Status record{};
        if (frame.type != MessageType::status || !read_record(frame.payload, record))
            return Progress::foreign;
        if (record.id != id || record.vcpu >= m_hello->vcpus) return Progress::foreign;
        if (record.mode > static_cast<std::uint8_t>(last_mode)) return Progress::foreign;
        VcpuStatus status{unpack(record)};
        answers.insert_or_assign(status.vcpu, std::move(status));
        return answers.size() == m_hello->vcpus ? Progress::done : Progress::progress;
    };
    exchange.forget = [&] { answers.clear(); };
    if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
    std::vector<VcpuStatus> all;
    for (auto& [vcpu, status] : answers)
        all.push_back(std::move(status));
    return all;
}

Result<FingerprintInfo, LinkError> Session::fingerprint() {
    FingerprintInfo info{};
    Exchange exchange{begin("L1's fingerprint", MessageType::fingerprint_request)};
    exchange.payload = plain_command;
    exchange.take = [&](const Frame& frame, std::uint32_t id) {
        FingerprintReport report{};
        if (frame.type != MessageType::fingerprint || !read_record(frame.payload, report) || report.id != id)
            return Progress::foreign;
        if (report.state > static_cast<std::uint8_t>(last_recognition_state)) return Progress::foreign;
        info.state = static_cast<RecognitionState>(report.state);
        const auto packed{frame.payload.subspan(sizeof(report))};
        if (info.state != RecognitionState::seen) return packed.empty() ? Progress::done : Progress::foreign;
        if (report.outcome.verdict > static_cast<std::uint8_t>(last_verdict)) return Progress::foreign;
        info.verdict = static_cast<Verdict>(report.outcome.verdict);
        info.type = unpack_text(report.outcome.type, sizeof(report.outcome.type));
        info.profile = unpack_text(report.outcome.profile, sizeof(report.outcome.profile));
        const bool whole{unpack(packed, info.fingerprint) == packed.size() && !packed.empty()};
        return whole ? Progress::done : Progress::foreign;
    };
    if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
    info.boot_id = m_hello->boot_id;
    return info;
}

Result<Timings, LinkError> Session::timings() {
    Timings timings{};
    Exchange exchange{begin("its timings", MessageType::timings_request)};
    exchange.payload = plain_command;
    exchange.take = [&](const Frame& frame, std::uint32_t id) {
        if (frame.type != MessageType::timings || !read_record(frame.payload, timings))
            return Progress::foreign;
        return timings.id == id ? Progress::done : Progress::foreign;
    };
    if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
    return timings;
}

Result<std::uint32_t, LinkError> Session::load_profile(const ProfileImage& image) {
    Exchange exchange{begin("its answer to the profile", MessageType::load_profile)};
    exchange.payload = [&](std::uint32_t id) { return bytes_of(LoadProfile{id, image}); };
    return command(exchange);
}

Result<void, LinkError> Session::add_profile(std::span<const std::byte> image, bool is_first) {
    Exchange exchange{begin("its answer to the profile", MessageType::add_profile)};
    exchange.payload = [&](std::uint32_t id) {
        std::vector<std::uint8_t> payload{bytes_of(AddProfile{id, static_cast<std::uint8_t>(is_first), {}})};
        for (const std::byte byte : image)
            payload.push_back(static_cast<std::uint8_t>(byte));
        return payload;
    };
    if (const auto answered{command(exchange)}; !answered) return Failure{answered.error()};
    return {};
}

Result<std::uint32_t, LinkError> Session::set_mode(Mode mode, std::uint16_t sample_interval) {
    Exchange exchange{begin("its answer to the mode", MessageType::set_mode)};
    exchange.payload = [mode, sample_interval](std::uint32_t id) {
        return bytes_of(SetMode{id, static_cast<std::uint8_t>(mode), 0, sample_interval});
    };
    return command(exchange);
}

Result<std::uint32_t, LinkError> Session::command(Exchange& exchange) {
    Acknowledge answer{};
    exchange.take = [&](const Frame& frame, std::uint32_t id) {
        Acknowledge record{};
        if (frame.type != MessageType::acknowledge || !read_record(frame.payload, record))
            return Progress::foreign;
        if (record.id != id || record.command != static_cast<std::uint8_t>(exchange.command))
            return Progress::foreign;
        if (record.status == static_cast<std::uint8_t>(CommandStatus::busy)) return Progress::later;
        answer = record;
        return Progress::done;
    };
    if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
    if (answer.status != static_cast<std::uint8_t>(CommandStatus::done)) {
        return Failure{refusal(exchange.command == MessageType::set_mode ? "mode" : "profile", answer)};
    }
    return std::uint32_t{answer.generation};
}

LinkError Session::refusal(std::string_view what, const Acknowledge& answer) const {
    const auto with{[&](const std::string& why) {
        return error(LinkErrorKind::refused,
                     "the VMM refused the " + std::string{what} + " and kept its bitmaps: " + why);
    }};
    switch (static_cast<CommandStatus>(answer.status)) {
    case CommandStatus::malformed: return with("the record is malformed; use tools and VMM of one build");
    case CommandStatus::no_room: return with("there is no room for so many profiles; send fewer");
    case CommandStatus::l2_has_run:
        return with("L1 has run an L2 already, and what it is, is settled; use 'shadowtune apply'");
    case CommandStatus::other_catalogue:
        return with(
            "it was made for another field catalogue; make it again with this build's shadowtune tune");
    case CommandStatus::profile_rejected: {
        const std::string rule{vmcs::describe(static_cast<vmcs::ProfileRule>(answer.detail))};
        const std::string field{answer.field < vmcs::field_count ? vmcs::catalogue[answer.field].symbol
                                                                 : "a field"};
        return with(field + ": " + (rule.empty() ? "a rule that these tools do not know" : rule) +
                    "; make the profile again from a recording of this machine");
    }
    case CommandStatus::no_profile: return with("none is loaded; load one first (shadowtune apply)");
    case CommandStatus::unknown_command:
        return with("it does not know the command; use tools and VMM of one build");
    case CommandStatus::l1_stopped:
        return with("its L1 is saved and stands still, or is not there yet; release or restore it first");
    default: break;
    }
    return with("reason " + std::to_string(answer.status) + " is not known to these tools");
}

} // namespace shadowtune::link
