#pragma once

// Who accessed which field how often, while which L2 exit was being handled, and how often its value was
// another. Each trapped access is counted by exactly one call of count() or count_sampled(). Cells are given
// out on first touch, so that a snapshot costs what was touched, not what exists.

#include "link/messages.hpp"
#include "vmcs/catalogue.hpp"
#include "vmcs/exit_reason.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::shadow {

class AccessCounters {
public:
    // Cells of one vCPU. A real L1 touches a few hundred, the micro-L1, which accesses every field at every
    // kind of exit, some ten thousand. Full, further combinations are lost, but their accesses counted as
    // lost.
    static constexpr std::size_t capacity{32768};

    [[gnu::always_inline]] void count(vmcs::FieldIndex field, bool high_half, link::Access access,
                                      std::uint8_t reason) {
        add(place_of(field, high_half, access), Family::plain, reason, 1);
    }

    // Besides, where the operand is memory.
    void count_in_memory(vmcs::FieldIndex field, bool high_half, link::Access access, std::uint8_t reason) {
        add(place_of(field, high_half, access), Family::memory, reason, 1);
    }

    // What L1 read first after an exit is another value than vmcs12 had.
    [[gnu::always_inline]] void count_changed(vmcs::FieldIndex field, std::uint8_t reason) {
        add(place_of(field, false, link::Access::read), Family::values, reason, 1);
    }

    // A VMPTRLD in the round trip of this number has made another VMCS current.
    void count_switch(std::uint64_t round_trip, std::uint8_t reason) {
        add_without_field(link::Counted::switches, reason, 1);
        if (m_switched_round_trip != round_trip)
            add_without_field(link::Counted::switched_round_trips, reason, 1);
        m_switched_round_trip = round_trip;
        m_switches = compares_next_switch() ? 0 : m_switches + 1;
    }
    // Whether count_others() is to follow the next count_switch().
    [[nodiscard]] bool compares_next_switch() const { return m_switches + 1 == link::one_compared_in; }
    // The fields that have another value in that VMCS than in the one before.
    void count_others(const vmcs::FieldSet& fields, std::uint8_t reason) {
        fields.for_each([&](vmcs::FieldIndex field) {
            add(place_of(field, false, link::Access::write), Family::values, reason, link::one_compared_in);
        });
    }

    // In a sampled round trip: appears when that ends. High halves count as their field, for the square is
    // that of both together. True for the first one of the round trip.
    [[gnu::always_inline]] bool count_sampled(vmcs::FieldIndex field, link::Access access) {
        const std::size_t place{place_of(field, false, access)};
        const bool is_first{m_in_trip[place]++ == 0};
        if (is_first) m_touched[m_touched_count++] = static_cast<std::uint32_t>(place);
        return is_first;
    }
    void end_sampled_round_trip(std::uint8_t reason) {
        take_sampled([&](std::size_t place, std::uint64_t times) {
            std::uint16_t& sampled{slot_of(place, Family::sampled, reason)};
            if (sampled == 0 && !begin_sampled(place, reason)) [[unlikely]] {
                m_lost += times;
                return;
            }
            link::CounterRecord* const cell{m_cells + std::size_t{sampled} - 1};
            cell[0].count += times;
            cell[1].count += times * times;
        });
        add_without_field(link::Counted::sampled_round_trips, reason, 1);
    }
    // It came to no end: its accesses are no sample of anything.
    void abandon_sampled_round_trip(std::uint8_t reason) {
        take_sampled(
            [&](std::size_t place, std::uint64_t times) { add(place, Family::plain, reason, times); });
    }

    // A saved cell, which names a field, a kind of count and a reason that there are.
    void restore(const link::CounterRecord& cell) {
        const auto counted{static_cast<link::Counted>(cell.counted)};
        if (counted >= link::Counted::sampled_round_trips)
            return add_without_field(counted, cell.reason, cell.count);
        const auto family{static_cast<Family>(cell.counted / 2)};
        const std::size_t place{
            place_of(vmcs::find(cell.encoding), vmcs::is_high_half(cell.encoding), link::access_of(counted))};
        if ((family == Family::sampled || family == Family::squared) &&
            slot_of(place, Family::sampled, cell.reason) == 0 && !begin_sampled(place, cell.reason))
            return;
        add(place, family, cell.reason, cell.count);
    }
    void restore_lost(std::uint64_t lost) { m_lost = lost; }

    // The counters of several vCPUs that share a clock know which of their cells was touched first.
    void share_clock(std::atomic<std::uint32_t>& clock) { m_clock = &clock; }
    // Of a cell's first touch, as long as no L2 has run.
    [[nodiscard]] std::uint32_t time(std::size_t cell) const { return cell < timed ? m_times[cell] : ~0U; }

    // In order of first touch; the place of a cell never changes. Another processor finds whole cells, but
    // their counts may be changing.
    [[nodiscard]] std::span<const link::CounterRecord> cells() const {
        return {m_cells, __atomic_load_n(&m_used, __ATOMIC_ACQUIRE)};
    }
    [[nodiscard]] std::uint64_t lost() const { return m_lost; }

private:
    // Each of reads and writes, in the order of link::Counted; of values, those that changed and others.
    enum class Family : std::uint8_t { plain = 0, sampled = 1, squared = 2, memory = 3, values = 4 };
    static constexpr std::size_t families{5};
    static constexpr auto first_without_field{static_cast<std::size_t>(link::Counted::sampled_round_trips)};
    // Who is accessed and how: four for each field, by high half and kind of access.
    static constexpr std::size_t places{vmcs::field_count * 4};

    [[nodiscard]] static constexpr std::size_t place_of(vmcs::FieldIndex field, bool high_half,
                                                        link::Access access) {
        return std::size_t{field} * 4 + (high_half ? 2 : 0) + static_cast<std::size_t>(access);
    }

    void take_sampled(auto&& take) {
        for (const std::size_t place : std::span{m_touched, m_touched_count}) {
            take(place, m_in_trip[place]);
            m_in_trip[place] = 0;
        }
        m_touched_count = 0;
    }
    [[nodiscard]] std::uint16_t& slot_of(std::size_t place, Family family, std::uint8_t reason) {
        return m_slots[(place * families + static_cast<std::size_t>(family)) * vmcs::reason_slots + reason];
    }
    // On the way of a trapped access, where a call costs its caller all registers.
    [[gnu::always_inline]] void add(std::size_t place, Family family, std::uint8_t reason,
                                    std::uint64_t times) {
        std::uint16_t& slot{slot_of(place, family, reason)};
        if (slot != 0) [[likely]] {
            m_cells[std::size_t{slot} - 1].count += times;
            return;
        }
        begin_cell(slot, {encoding_of(place), counted_of(place, family), reason, times});
    }
    // Of a sample the cell of the squares is the one behind that of the sums. False for want of room.
    [[nodiscard, gnu::noinline]] bool begin_sampled(std::size_t place, std::uint8_t reason) {
        if (capacity - m_used < 2) return false;
        for (const Family family : {Family::sampled, Family::squared}) {
            begin_cell(slot_of(place, family, reason),
                       {encoding_of(place), counted_of(place, family), reason, 0});
        }
        return true;
    }
    [[nodiscard]] static vmcs::Encoding encoding_of(std::size_t place) {
        return static_cast<vmcs::Encoding>(vmcs::catalogue[place / 4].encoding | (place >> 1 & 1U));
    }
    [[nodiscard]] static std::uint8_t counted_of(std::size_t place, Family family) {
        return static_cast<std::uint8_t>(static_cast<unsigned>(family) * 2 + (place & 1U));
    }
    // What is of no field but the round trips themselves, which are counted elsewhere.
    void add_without_field(link::Counted counted, std::uint8_t reason, std::uint64_t times) {
        const auto number{static_cast<std::uint8_t>(counted)};
        std::uint16_t& slot{m_slots_without_field[number - first_without_field][reason]};
        if (slot != 0) {
            m_cells[std::size_t{slot} - 1].count += times;
        } else {
            begin_cell(slot, {0, number, reason, times});
        }
    }
    [[gnu::noinline]] void begin_cell(std::uint16_t& slot, const link::CounterRecord& more) {
        if (m_used < capacity) {
            m_cells[m_used] = more;
            if (m_used < timed && m_clock != nullptr)
                m_times[m_used] = m_clock->fetch_add(1, std::memory_order_relaxed);
            slot = static_cast<std::uint16_t>(m_used + 1);
            __atomic_store_n(&m_used, m_used + 1, __ATOMIC_RELEASE);
        } else if (more.counted <= static_cast<std::uint8_t>(link::Counted::sampled_writes)) {
            m_lost += more.count;
        }
    }

    // Before the first L2 there are no others.
    static constexpr std::size_t timed{places * 2};

    std::uint16_t m_slots[places * families * vmcs::reason_slots]{}; // number of the cell plus 1
    std::uint16_t m_slots_without_field[link::last_counted + 1 - first_without_field][vmcs::reason_slots]{};
    link::CounterRecord m_cells[capacity]{};
    std::size_t m_used{0};
    std::uint64_t m_lost{0};
    std::atomic<std::uint32_t>* m_clock{nullptr};
    std::uint32_t m_times[timed]{};
    std::uint64_t m_switches{0}; // since two VMCSs were compared
    std::uint64_t m_switched_round_trip{~std::uint64_t{0}};

    std::uint32_t m_in_trip[places]{}; // of the sampled round trip that is under way
    std::uint32_t m_touched[places]{};
    std::size_t m_touched_count{0};
};

} // namespace shadowtune::shadow
