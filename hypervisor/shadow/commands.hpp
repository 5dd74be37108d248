#pragma once

// Answers the host's commands: one at a time, in small steps between VM entries, nothing waited for. Only an
// L1 that is saved, or not there yet, is waited for: shadow/save_commands.cpp. The bootstrap processor alone
// does all this, for all vCPUs.

#include "hypervisor/nested/restore_checks.hpp"
#include "hypervisor/nested/vcpu.hpp"
#include "hypervisor/shadow/blob_buffer.hpp"
#include "link/save_messages.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::shadow {

class Commands {
public:
    // Gives L0 up but for what it needs to start anew, and awaits the saved L1 of this CRC then. Never
    // returns.
    using StartAnew = void (*)(nested::Vcpu& vcpu, std::uint32_t awaited_crc);

    Commands(nested::Machine& machine, StartAnew start_anew);

    // Moves the link on; to be called at every VM exit of the bootstrap processor. Touches no VMCS. True
    // where the host wants L1 to be saved: hold() is due before the next VM entry. What it takes is no part
    // of the exit's ticks nor of the round trip's.
    bool poll(nested::Vcpu& vcpu, std::uint64_t now) {
        if (!m_machine.link.is_due(now) && !m_is_busy) [[likely]]
            return false;
        move_on_untimed(vcpu, now);
        return m_hold != Hold::none;
    }
    // The same while L1 sleeps or stands still, in time that passes anyway.
    void serve(nested::Vcpu& vcpu);

    // Saves L1 and serves the host until it releases it.
    void hold(nested::Vcpu& vcpu);
    // Serves the host until it has brought the saved L1 of this CRC; the vCPU can be entered then.
    void await_l1(nested::Vcpu& vcpu, std::uint32_t crc);

    void greet(std::uint32_t id);
    void log(link::LogLevel level, std::string_view text);
    // The last words: everything queued leaves before this returns.
    void drain() { m_machine.link.drain(); }

private:
    void move_on(nested::Vcpu& vcpu, std::uint64_t now);
    void move_on_untimed(nested::Vcpu& vcpu, std::uint64_t now);
    void execute(nested::Vcpu& vcpu, const link::Frame& frame);
    void begin_snapshot(nested::Vcpu& vcpu, const link::SnapshotRequest& request);
    void send_next_part();
    void send_next_status();
    void send_fingerprint(std::uint32_t id);
    void add_profile(const link::Frame& frame);
    // Once, as soon as a host speaks to us after it: nobody else would hear it.
    void log_recognition();
    void publish(link::MessageType command, std::uint32_t id, const Result<std::uint32_t, Refusal>& result);
    void acknowledge(link::MessageType command, std::uint32_t id,
                     const Result<std::uint32_t, Refusal>& result);
    void refuse(link::MessageType command, std::uint32_t id, link::CommandStatus status);
    void answer(const link::Acknowledge& answer);
    [[nodiscard]] link::L1State l1_state(const nested::Vcpu& vcpu) const;

    [[nodiscard]] bool execute_save_command(nested::Vcpu& vcpu, const link::Frame& frame);
    void ask_to_save(std::uint32_t id);
    void save(nested::Vcpu& vcpu);
    void send_part(const link::BlobRequest& request);
    void release(nested::Vcpu& vcpu, const link::Release& request);
    void begin_restore(const link::RestoreBegin& request);
    void take_chunk(const link::BlobChunk& chunk, std::span<const std::uint8_t> bytes);
    void commit_restore(nested::Vcpu& vcpu, const link::RestoreCommit& request);
    void send_blob_state(link::MessageType command, std::uint32_t id, link::CommandStatus status,
                         const nested::RestoreRefusal& refusal = {});
    [[nodiscard]] bool is_restored(std::uint32_t crc) const;

    nested::Machine& m_machine;
    bool m_is_busy{false}; // with a snapshot, a status or a saved L1, at the end of the last move_on()

    // The snapshot being sent, vCPU by vCPU. 0: none.
    std::uint32_t m_snapshot{0};
    std::size_t m_vcpu{0};
    bool m_head_sent{false};
    std::uint16_t m_next_part{0};

    // The status being sent, vCPU by vCPU. 0: none.
    std::uint32_t m_status{0};
    std::size_t m_status_vcpu{0};

    bool m_has_logged_recognition{false};

    // The last commands that changed something, answered again without being done again.
    static constexpr std::size_t remembered{8};
    link::Acknowledge m_answers[remembered]{};
    std::size_t m_answer_count{0};

    // asked: save_request is to be answered. saved: L1 stands still until it is released. awaited: there is
    // none.
    enum class Hold : std::uint8_t { none, asked, saved, awaited };
    Hold m_hold{Hold::none};
    StartAnew m_start_anew;
    BlobBuffer m_blob{};
    std::uint32_t m_save_id{0};
    std::uint32_t m_awaited_crc{0};
    std::uint32_t m_settled_crc{
        0}; // of the blob that was released or restored last, for commands that come twice
};

// Copies the vCPU's counters for the snapshot that is wanted now; on its own processor.
void freeze_counters(nested::Vcpu& vcpu);

} // namespace shadowtune::shadow
