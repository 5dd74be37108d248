#pragma once

// One vCPU's counters at one moment, for a snapshot: copied by the vCPU's own processor between two exits, so
// that they agree with each other; sent by the processor that serves the link.

#include "hypervisor/shadow/counters.hpp"
#include "link/messages.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::shadow {

class FrozenCounters {
public:
    // By the vCPU's own processor, for the snapshot of this number. What is frozen for it already may be on
    // its way to the host, and stays. The access counters' own parts of `head` are filled in here.
    void freeze(std::uint32_t number, const link::SnapshotHead& head,
                std::span<const link::CounterRecord> cells) {
        if (is_ready(number)) return;
        m_ready.store(0, std::memory_order_relaxed);
        m_head = head;
        m_count = cells.size();
        m_head.parts =
            static_cast<std::uint16_t>((m_count + link::records_per_part - 1) / link::records_per_part);
        __builtin_memcpy(m_records, cells.data(), cells.size_bytes());
        m_ready.store(number, std::memory_order_release);
    }

    // By the processor that serves the link: what it reads once this is true stays until it asks for another
    // snapshot.
    [[nodiscard]] bool is_ready(std::uint32_t number) const {
        return m_ready.load(std::memory_order_acquire) == number;
    }
    [[nodiscard]] const link::SnapshotHead& head() const { return m_head; }
    [[nodiscard]] std::span<const link::CounterRecord> part(std::size_t number) const {
        const std::size_t first{number * link::records_per_part};
        const std::size_t left{m_count - first};
        return {m_records + first, left < link::records_per_part ? left : link::records_per_part};
    }

private:
    std::atomic<std::uint32_t> m_ready{0};
    link::SnapshotHead m_head{};
    std::size_t m_count{0};
    link::CounterRecord m_records[AccessCounters::capacity]{};
};

} // namespace shadowtune::shadow
