// Saving and restoring an L1 over the link: docs/save-restore.md. What the host asks twice, because an answer
// was lost or the line was cut, is answered twice and done once: a blob is known by its CRC.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/save.hpp"
#include "hypervisor/nested/standstill.hpp"
#include "hypervisor/shadow/commands.hpp"
#include "link/frame.hpp"

namespace shadowtune::shadow {

namespace {

using link::CommandStatus;
using link::MessageType;
using link::RestoreFault;

// The frame carries this record and nothing else.
template <typename Record>
[[nodiscard]] bool holds(const link::Frame& frame, Record& record) {
    return frame.payload.size() == sizeof(record) && link::read_record(frame.payload, record);
}

} // namespace

bool Commands::execute_save_command(nested::Vcpu& vcpu, const link::Frame& frame) {
    link::Command command{};
    static_cast<void>(link::read_record(frame.payload, command));
    bool is_good{false};
    switch (frame.type) {
    case MessageType::save_request:
        is_good = holds(frame, command);
        if (is_good) ask_to_save(command.id);
        break;
    case MessageType::blob_request: {
        link::BlobRequest request{};
        is_good = holds(frame, request);
        if (is_good) send_part(request);
        break;
    }
    case MessageType::release: {
        link::Release request{};
        is_good = holds(frame, request);
        if (is_good) release(vcpu, request);
        break;
    }
    case MessageType::restore_begin: {
        link::RestoreBegin request{};
        is_good = holds(frame, request);
        if (is_good) begin_restore(request);
        break;
    }
    case MessageType::restore_chunk: {
        link::BlobChunk chunk{};
        is_good = link::read_record(frame.payload, chunk);
        if (is_good) take_chunk(chunk, frame.payload.subspan(sizeof(chunk)));
        break;
    }
    case MessageType::restore_commit: {
        link::RestoreCommit request{};
        is_good = holds(frame, request);
        if (is_good) commit_restore(vcpu, request);
        break;
    }
    default: return false;
    }
    if (!is_good) refuse(frame.type, command.id, CommandStatus::malformed);
    return true;
}

void Commands::send_blob_state(MessageType command, std::uint32_t id, CommandStatus status,
                               const nested::RestoreRefusal& refusal) {
    link::BlobState state{};
    state.id = id;
    state.command = static_cast<std::uint8_t>(command);
    state.status = static_cast<std::uint8_t>(status);
    state.detail = static_cast<std::uint8_t>(refusal.fault);
    state.field = refusal.about;
    state.crc = m_blob.crc();
    state.size = m_blob.size();
    state.held = m_blob.held();
    m_machine.link.send(MessageType::blob_state, state);
}

void Commands::ask_to_save(std::uint32_t id) {
    if (m_hold == Hold::saved) return send_blob_state(MessageType::save_request, id, CommandStatus::done);
    if (m_hold == Hold::awaited) {
        return send_blob_state(MessageType::save_request, id, CommandStatus::l1_stopped);
    }
    m_hold = Hold::asked;
    m_save_id = id;
}

void Commands::save(nested::Vcpu& vcpu) {
    const auto saved{nested::save(vcpu, m_blob.room())};
    if (!saved) {
        m_hold = Hold::none;
        m_blob.forget();
        return send_blob_state(MessageType::save_request, m_save_id, CommandStatus::cannot_save,
                               saved.error());
    }
    m_hold = Hold::saved;
    m_blob.offer(saved.value());
    send_blob_state(MessageType::save_request, m_save_id, CommandStatus::done);
}

void Commands::hold(nested::Vcpu& vcpu) {
    const std::uint64_t start{cpu::rdtsc()};
    save(vcpu);
    while (m_hold == Hold::saved) {
        serve(vcpu);
        cpu::pause();
    }
    nested::let_others_go(vcpu);
    // The round trip that was under way has not taken this long.
    vcpu.l2_exit_tsc += cpu::rdtsc() - start;
}

void Commands::await_l1(nested::Vcpu& vcpu, std::uint32_t crc) {
    m_hold = Hold::awaited;
    m_awaited_crc = crc;
    while (m_hold == Hold::awaited) {
        serve(vcpu);
        cpu::pause();
    }
}

void Commands::send_part(const link::BlobRequest& request) {
    const std::span<const std::uint8_t> part{m_blob.part(request.crc, request.offset)};
    if (m_hold != Hold::saved || part.empty()) {
        return refuse(MessageType::blob_request, request.id, CommandStatus::other_blob);
    }
    std::uint8_t payload[link::max_payload];
    const link::BlobChunk head{request.id, request.crc, request.offset};
    __builtin_memcpy(payload, &head, sizeof(head));
    __builtin_memcpy(payload + sizeof(head), part.data(), part.size());
    m_machine.link.send(MessageType::blob_chunk, {payload, sizeof(head) + part.size()});
}

void Commands::release(nested::Vcpu& vcpu, const link::Release& request) {
    const auto action{static_cast<link::ReleaseAction>(request.action)};
    const bool restarts{action == link::ReleaseAction::restart};
    if (!restarts && action != link::ReleaseAction::resume) {
        return refuse(MessageType::release, request.id, CommandStatus::malformed);
    }
    // Done before: the answer was lost.
    const bool is_restarted{restarts && m_hold == Hold::awaited && request.crc == m_awaited_crc};
    const bool is_resumed{!restarts && m_hold == Hold::none && request.crc == m_settled_crc};
    const bool is_due{m_hold == Hold::saved && request.crc == m_blob.crc()};
    if (!is_due && !is_restarted && !is_resumed) {
        return refuse(MessageType::release, request.id, CommandStatus::other_blob);
    }
    acknowledge(MessageType::release, request.id, m_machine.generations.newest().number);
    if (!is_due) return;
    if (restarts) {
        drain();
        m_start_anew(vcpu, request.crc);
    }
    m_settled_crc = request.crc;
    m_hold = Hold::none;
    m_blob.forget();
}

// The blob that the L1 that runs was restored from: it is still here, whole.
bool Commands::is_restored(std::uint32_t crc) const {
    return m_hold == Hold::none && crc == m_settled_crc && crc == m_blob.crc();
}

void Commands::begin_restore(const link::RestoreBegin& request) {
    const auto answer{[&](CommandStatus status, RestoreFault fault = RestoreFault::none) {
        send_blob_state(MessageType::restore_begin, request.id, status, {fault, 0});
    }};
    if (is_restored(request.crc)) return answer(CommandStatus::done);
    if (m_hold != Hold::awaited) return answer(CommandStatus::l1_not_awaited);
    if (request.crc != m_awaited_crc)
        return answer(CommandStatus::blob_refused, RestoreFault::not_l1s_memory);
    if (!m_blob.expect(request.size, request.crc)) {
        return answer(CommandStatus::blob_refused, RestoreFault::too_large);
    }
    answer(CommandStatus::done);
}

// A part that does not fit is answered all the same: `held` says where to go on.
void Commands::take_chunk(const link::BlobChunk& chunk, std::span<const std::uint8_t> bytes) {
    if (m_hold != Hold::awaited && !is_restored(chunk.crc)) {
        return send_blob_state(MessageType::restore_chunk, chunk.id, CommandStatus::l1_not_awaited);
    }
    if (m_hold == Hold::awaited) static_cast<void>(m_blob.take(chunk.crc, chunk.offset, bytes));
    const bool is_ours{m_blob.size() != 0 && chunk.crc == m_blob.crc()};
    send_blob_state(MessageType::restore_chunk, chunk.id,
                    is_ours ? CommandStatus::done : CommandStatus::other_blob);
}

void Commands::commit_restore(nested::Vcpu& vcpu, const link::RestoreCommit& request) {
    const auto done{
        [&] { acknowledge(MessageType::restore_commit, request.id, m_machine.generations.newest().number); }};
    if (is_restored(request.crc)) return done();
    if (m_hold != Hold::awaited) {
        return refuse(MessageType::restore_commit, request.id, CommandStatus::l1_not_awaited);
    }
    if (!m_blob.finish(request.crc)) {
        return refuse(MessageType::restore_commit, request.id, CommandStatus::other_blob);
    }
    const auto restored{nested::restore(vcpu, m_blob.bytes())};
    nested::let_others_go(vcpu);
    if (!restored) {
        link::Acknowledge no{};
        no.id = request.id;
        no.command = static_cast<std::uint8_t>(MessageType::restore_commit);
        no.status = static_cast<std::uint8_t>(CommandStatus::blob_refused);
        no.detail = static_cast<std::uint8_t>(restored.error().fault);
        no.field = restored.error().about;
        return answer(no);
    }
    m_settled_crc = request.crc;
    m_hold = Hold::none;
    done();
}

} // namespace shadowtune::shadow
