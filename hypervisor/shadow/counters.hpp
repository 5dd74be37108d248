#pragma once

// Who accessed which field how often, while which L2 exit was being handled. Each trapped access is counted
// by exactly one call of count(). Cells are given out on first touch, so that a snapshot costs what was
// touched, not what exists.

#include "link/messages.hpp"
#include "vmcs/catalogue.hpp"
#include "vmcs/exit_reason.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::shadow {

class AccessCounters {
public:
    // Cells of one vCPU. A real L1 touches a few hundred, the micro-L1, which accesses every field at every
    // kind of exit, some ten thousand. Full, further combinations are lost but counted as lost.
    static constexpr std::size_t capacity{32768};

    void count(vmcs::FieldIndex field, bool high_half, link::Access access, std::uint8_t reason) {
        add(field, high_half, access, reason, 1);
    }

    // A saved cell. `cell` names a field, an access and a reason that there are.
    void restore(const link::CounterRecord& cell) {
        add(vmcs::find(cell.encoding), vmcs::is_high_half(cell.encoding),
            static_cast<link::Access>(cell.access), cell.reason, cell.count);
    }
    void restore_lost(std::uint64_t lost) { m_lost = lost; }

    // In order of first touch; the place of a cell never changes.
    [[nodiscard]] std::span<const link::CounterRecord> cells() const { return {m_cells, m_used}; }
    [[nodiscard]] std::uint64_t lost() const { return m_lost; }

private:
    void add(vmcs::FieldIndex field, bool high_half, link::Access access, std::uint8_t reason,
             std::uint64_t times) {
        std::uint16_t& slot{m_slots[key(field, high_half, access, reason)]};
        if (slot == 0) {
            if (m_used == capacity) {
                m_lost += times;
                return;
            }
            const auto encoding{
                static_cast<vmcs::Encoding>(vmcs::catalogue[field].encoding | (high_half ? 1U : 0U))};
            m_cells[m_used] = {encoding, static_cast<std::uint8_t>(access), reason, 0};
            slot = static_cast<std::uint16_t>(++m_used);
        }
        m_cells[slot - 1U].count += times;
    }

    [[nodiscard]] static constexpr std::size_t key(vmcs::FieldIndex field, bool high_half,
                                                   link::Access access, std::uint8_t reason) {
        const std::size_t side{(high_half ? 2U : 0U) | static_cast<std::size_t>(access)};
        return (std::size_t{field} * 4 + side) * vmcs::reason_slots + reason;
    }

    std::uint16_t m_slots[vmcs::field_count * 4 * vmcs::reason_slots]{};
    link::CounterRecord m_cells[capacity]{};
    std::size_t m_used{0};
    std::uint64_t m_lost{0};
};

} // namespace shadowtune::shadow
