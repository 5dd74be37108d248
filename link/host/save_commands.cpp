// The commands of Session that save and restore an L1: docs/save-restore.md.

#include "link/host/exchange.hpp"
#include "link/host/session.hpp"
#include "link/saved_state.hpp"

#include <algorithm>

namespace shadowtune::link {

namespace {

// A VMM that was started anew meanwhile begins at 0 again; one that goes back and back is out of order.
constexpr int most_parts_in_vain{8};

// What `about` of a RestoreFault names.
[[nodiscard]] std::string field_name(std::uint16_t encoding) {
    const vmcs::FieldIndex field{vmcs::find(encoding)};
    return field == vmcs::no_field ? "a field" : std::string{vmcs::catalogue[field].symbol};
}

[[nodiscard]] std::string hex(std::uint16_t number) {
    constexpr std::string_view digits{"0123456789ABCDEF"};
    std::string text;
    for (int shift{12}; shift >= 0; shift -= 4)
        text += digits[number >> shift & 0xF];
    return text + "H";
}

[[nodiscard]] std::string describe(RestoreFault fault, std::uint16_t about) {
    switch (fault) {
    case RestoreFault::none: break;
    case RestoreFault::malformed: return std::string{describe(static_cast<SavedFault>(about))};
    case RestoreFault::other_processor:
        return "it is of another processor; restore it on the model it was saved on";
    case RestoreFault::other_vmx_offer:
        return "its L1 was offered other VMX features" + (about == 0 ? "" : " (MSR " + hex(about) + ")") +
               "; use the VMM and the processor model that it was saved with";
    case RestoreFault::other_memory:
        return "it is of a machine with another memory map, or with L0 elsewhere in it";
    case RestoreFault::not_l1s_memory:
        return "it is not the state that L1's memory was left with; restore the file of the last save";
    case RestoreFault::other_vcpus: return "it has another number of vCPUs than this machine";
    case RestoreFault::address_outside:
        return std::string{about == 1 ? "the VMXON region" : "the current VMCS"} +
               " lies outside L1's memory";
    case RestoreFault::fields_incomplete: return field_name(about) + " is missing, or is not L1's to have";
    case RestoreFault::profile_rejected:
        return "its profile breaks a rule" +
               (about < vmcs::field_count ? " at " + std::string{vmcs::catalogue[about].symbol} : "");
    case RestoreFault::bad_controls: return "L2 could not be entered: control " + field_name(about);
    case RestoreFault::bad_host_state: return "L2 could not be entered: host state " + field_name(about);
    case RestoreFault::bad_l1_state: return "L1 could not be entered: guest state " + field_name(about);
    case RestoreFault::bad_l2_state: return "L2 could not be entered: guest state " + field_name(about);
    case RestoreFault::bad_msr:
        return "MSR " + hex(about) + " is none that is restored, or its value is refused";
    case RestoreFault::bad_extended_state: return "its extended state (XSAVE) is not one of this processor";
    case RestoreFault::too_large: return "it is larger than the VMM has room for";
    case RestoreFault::feature_control:
        return "L1 is in VMX operation, but its IA32_FEATURE_CONTROL does not allow it";
    case RestoreFault::a20_gate_in_use:
        return "L1 has closed the A20 gate, or is about to, which is not saved";
    case RestoreFault::vcpus_not_at_rest:
        return "a processor does not come to rest, or L1 has an INIT or start-up IPI on its way; save again";
    }
    return "reason " + std::to_string(static_cast<unsigned>(fault)) + " is not known to these tools";
}

} // namespace

LinkError Session::saved_refusal(std::uint8_t status, std::uint8_t detail, std::uint16_t about) const {
    const auto fault{static_cast<RestoreFault>(detail)};
    switch (static_cast<CommandStatus>(status)) {
    case CommandStatus::l1_stopped:
        return error(LinkErrorKind::refused, "no L1 runs there: the VMM waits for one to be restored");
    case CommandStatus::other_blob:
        return error(LinkErrorKind::refused, "the VMM holds no such saved state; save again");
    case CommandStatus::l1_not_awaited:
        return error(
            LinkErrorKind::refused,
            "an L1 runs there; only a VMM that was started anew (shadowtune restart) takes a saved one");
    case CommandStatus::blob_refused:
        return error(LinkErrorKind::refused, "the VMM refused the saved state: " + describe(fault, about));
    case CommandStatus::cannot_save:
        return error(LinkErrorKind::refused,
                     "L1 runs on, its state cannot be saved: " + describe(fault, about));
    case CommandStatus::malformed:
    case CommandStatus::unknown_command:
        return error(LinkErrorKind::refused,
                     "the VMM does not know the command; use tools and VMM of one build");
    default: break;
    }
    return error(LinkErrorKind::refused,
                 "the VMM refused; reason " + std::to_string(status) + " is not known to these tools");
}

template <typename Record>
Result<Record, LinkError> Session::answered_by(MessageType type, Exchange& exchange) {
    Record answer{};
    exchange.take = [&](const Frame& frame, std::uint32_t id) {
        Record record{};
        if (frame.type != type || !read_record(frame.payload, record)) return Progress::foreign;
        if (record.id != id || record.command != static_cast<std::uint8_t>(exchange.command))
            return Progress::foreign;
        answer = record;
        return Progress::done;
    };
    if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
    if (answer.status != static_cast<std::uint8_t>(CommandStatus::done)) {
        return Failure{saved_refusal(answer.status, answer.detail, answer.field)};
    }
    return answer;
}

Result<BlobState, LinkError> Session::blob_command(Exchange& exchange) {
    return answered_by<BlobState>(MessageType::blob_state, exchange);
}

Result<void, LinkError> Session::saved_command(Exchange& exchange) {
    const auto answer{answered_by<Acknowledge>(MessageType::acknowledge, exchange)};
    if (!answer) return Failure{answer.error()};
    return {};
}

Result<std::vector<std::uint8_t>, LinkError> Session::save() {
    Exchange exchange{begin("its answer to the save", MessageType::save_request)};
    exchange.payload = [](std::uint32_t id) { return bytes_of(Command{id}); };
    const auto state{blob_command(exchange)};
    if (!state) return Failure{state.error()};
    auto blob{fetch(state.value().crc, state.value().size)};
    if (!blob) return blob;
    if (crc32c(blob.value()) != state.value().crc) {
        return Failure{error(LinkErrorKind::inconsistent,
                             "the saved state came over damaged; L1 is stopped and still saved: save again")};
    }
    return blob;
}

Result<std::vector<std::uint8_t>, LinkError> Session::fetch(std::uint32_t crc, std::uint32_t size) {
    std::vector<std::uint8_t> blob;
    while (blob.size() < size) {
        const auto offset{static_cast<std::uint32_t>(blob.size())};
        std::uint8_t status{0};
        Exchange exchange{begin("a part of the saved state", MessageType::blob_request)};
        exchange.payload = [&](std::uint32_t id) { return bytes_of(BlobRequest{id, crc, offset}); };
        exchange.take = [&](const Frame& frame, std::uint32_t id) {
            BlobChunk chunk{};
            Acknowledge no{};
            if (frame.type == MessageType::acknowledge && read_record(frame.payload, no) && no.id == id) {
                status = no.status;
                return Progress::done;
            }
            if (frame.type != MessageType::blob_chunk || !read_record(frame.payload, chunk))
                return Progress::foreign;
            const auto bytes{frame.payload.subspan(sizeof(chunk))};
            if (chunk.id != id || chunk.crc != crc || chunk.offset != offset || bytes.empty() ||
                bytes.size() > size - offset) {
                return Progress::foreign;
            }
            blob.insert(blob.end(), bytes.begin(), bytes.end());
            return Progress::done;
        };
        if (auto ran{run(exchange)}; !ran) return Failure{ran.error()};
        if (status != 0) return Failure{saved_refusal(status, 0, 0)};
    }
    return blob;
}

Result<void, LinkError> Session::release(std::span<const std::uint8_t> blob, ReleaseAction action) {
    Exchange exchange{begin("its answer to the release", MessageType::release)};
    exchange.payload = [&](std::uint32_t id) {
        return bytes_of(Release{id, crc32c(blob), static_cast<std::uint8_t>(action)});
    };
    if (auto done{saved_command(exchange)}; !done) return done;
    if (action != ReleaseAction::restart) return {};
    // The one that answered is gone; whoever greets now awaits the saved L1.
    m_greeted = false;
    const auto deadline{Clock::now() + m_options.deadline};
    for (;;) {
        const auto vcpus{status()};
        if (!vcpus) return Failure{vcpus.error()};
        const bool awaits{std::ranges::all_of(
            vcpus.value(), [](const VcpuStatus& vcpu) { return vcpu.l1_state == L1State::awaited; })};
        if (awaits) return {};
        if (Clock::now() >= deadline) {
            return Failure{error(LinkErrorKind::timed_out, "the VMM did not start anew in time")};
        }
    }
}

Result<void, LinkError> Session::restore(std::span<const std::uint8_t> blob) {
    const std::uint32_t crc{crc32c(blob)};
    const auto size{static_cast<std::uint32_t>(blob.size())};
    Exchange start{begin("its answer to the restore", MessageType::restore_begin)};
    start.payload = [&](std::uint32_t id) { return bytes_of(RestoreBegin{id, crc, size}); };
    auto state{blob_command(start)};
    int parts_in_vain{0};
    while (state && state.value().held < size) {
        const std::uint32_t offset{state.value().held};
        const auto part{blob.subspan(offset, std::min<std::size_t>(blob_chunk_bytes, size - offset))};
        Exchange exchange{begin("its answer to a part of the saved state", MessageType::restore_chunk)};
        exchange.payload = [&](std::uint32_t id) {
            auto payload{bytes_of(BlobChunk{id, crc, offset})};
            payload.insert(payload.end(), part.begin(), part.end());
            return payload;
        };
        state = blob_command(exchange);
        if (!state || state.value().held > offset) continue;
        if (++parts_in_vain == most_parts_in_vain) {
            return Failure{
                error(LinkErrorKind::inconsistent, "the VMM takes no part of the saved state; restart it")};
        }
    }
    if (!state) return Failure{state.error()};
    Exchange commit{begin("its answer to the restored state", MessageType::restore_commit)};
    commit.payload = [&](std::uint32_t id) { return bytes_of(RestoreCommit{id, crc}); };
    return saved_command(commit);
}

} // namespace shadowtune::link
