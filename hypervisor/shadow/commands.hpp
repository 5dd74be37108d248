#pragma once

// Answers the host's commands: one at a time, in small steps between VM entries, nothing waited for.

#include "hypervisor/nested/vcpu.hpp"
#include "link/messages.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::shadow {

class Commands {
public:
    explicit Commands(nested::Machine& machine) : m_machine{machine} {}

    // Moves the link on; to be called at every VM exit with L1's or L2's VMCS current, which it leaves alone.
    void poll(nested::Vcpu& vcpu, std::uint64_t now);

    void greet(std::uint32_t id);
    void log(link::LogLevel level, std::string_view text);
    // The last words: everything queued leaves before this returns.
    void drain() { m_machine.link.drain(); }

private:
    void execute(nested::Vcpu& vcpu, const link::Frame& frame);
    void freeze(nested::Vcpu& vcpu, std::uint32_t id);
    void send_next_part();
    void send_status(nested::Vcpu& vcpu, std::uint32_t id);
    void acknowledge(link::MessageType command, std::uint32_t id,
                     const Result<std::uint32_t, Refusal>& result);

    nested::Machine& m_machine;

    // The snapshot being sent: a copy, so that all its parts are of one moment.
    bool m_sending{false};
    bool m_head_sent{false};
    link::SnapshotHead m_head{};
    link::CounterRecord m_records[AccessCounters::capacity]{};
    std::size_t m_record_count{0};
    std::uint16_t m_next_part{0};

    // The last commands that changed something, answered again without being done again.
    static constexpr std::size_t remembered{8};
    link::Acknowledge m_answers[remembered]{};
    std::size_t m_answer_count{0};
};

} // namespace shadowtune::shadow
