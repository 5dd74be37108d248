#pragma once

// One vCPU's counters at one moment, for a snapshot: copied by the vCPU's own processor between two exits, so
// that they agree with each other; sent by the processor that serves the link. Of a snapshot that follows one
// that the host has, only what changed since is sent: the line is slow, and most cells rest.

#include "hypervisor/shadow/counters.hpp"
#include "link/messages.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::shadow {

class FrozenCounters {
public:
    using RoundTrips = std::uint64_t[vmcs::reason_slots];

    // By the vCPU's own processor, for the snapshot of this number. What is frozen for it already may be on
    // its way to the host, and stays. `known`: of the snapshot that the host has; 0: none. The access
    // counters' own parts of `head` are filled in here.
    void freeze(std::uint32_t number, std::uint32_t known, const link::SnapshotHead& head,
                const RoundTrips& round_trips, std::span<const link::CounterRecord> cells) {
        if (is_ready(number)) return;
        const bool differences{known != 0 && is_ready(known)};
        m_ready.store(0, std::memory_order_relaxed);
        m_head = head;
        m_head.number = number;
        m_head.since = differences ? known : 0;
        m_changed_count = 0;
        for (std::size_t i{0}; i < vmcs::reason_slots; ++i)
            take(i, m_round_trips[i], round_trips[i], differences);
        for (std::size_t i{0}; i < cells.size(); ++i) {
            if (i >= m_count) m_cells[i] = {cells[i].encoding, cells[i].counted, cells[i].reason, 0};
            std::uint64_t count{m_cells[i].count};
            take(vmcs::reason_slots + i, count, cells[i].count, differences);
            m_cells[i].count = count;
        }
        m_count = cells.size();
        m_head.parts = static_cast<std::uint16_t>((m_changed_count + link::records_per_part - 1) /
                                                  link::records_per_part);
        m_ready.store(number, std::memory_order_release);
    }

    // By the processor that serves the link: what it reads once this is true stays until it asks for another
    // snapshot.
    [[nodiscard]] bool is_ready(std::uint32_t number) const {
        return m_ready.load(std::memory_order_acquire) == number;
    }
    [[nodiscard]] const link::SnapshotHead& head() const { return m_head; }

    // Fills `records`, which has room for records_per_part; how many that part has.
    [[nodiscard]] std::size_t part(std::size_t number, link::CounterRecord* records) const {
        const std::size_t first{number * link::records_per_part};
        const std::size_t left{m_changed_count - first};
        const std::size_t count{left < link::records_per_part ? left : link::records_per_part};
        for (std::size_t i{0}; i < count; ++i)
            records[i] = record(m_changed[first + i]);
        return count;
    }

private:
    void take(std::size_t place, std::uint64_t& held, std::uint64_t now, bool differences) {
        if (differences ? held != now : now != 0)
            m_changed[m_changed_count++] = static_cast<std::uint16_t>(place);
        held = now;
    }
    [[nodiscard]] link::CounterRecord record(std::size_t place) const {
        if (place >= vmcs::reason_slots) return m_cells[place - vmcs::reason_slots];
        return {0, static_cast<std::uint8_t>(link::Counted::round_trips), static_cast<std::uint8_t>(place),
                m_round_trips[place]};
    }

    std::atomic<std::uint32_t> m_ready{0};
    link::SnapshotHead m_head{};
    RoundTrips m_round_trips{};
    link::CounterRecord m_cells[AccessCounters::capacity]{};
    std::size_t m_count{0};
    // Places: those of the round trips, then those of the cells.
    std::uint16_t m_changed[vmcs::reason_slots + AccessCounters::capacity]{};
    std::size_t m_changed_count{0};
};

} // namespace shadowtune::shadow
