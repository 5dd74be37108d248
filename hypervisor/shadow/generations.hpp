#pragma once

// The bitmaps that may be in force, each with its generation number. A bitmap page is never changed while a
// VMCS names it (SDM Vol. 3C, 25.11.4 "Software Access to Related Structures"): a new profile goes to pages
// that no vCPU uses, and each vCPU moves to them at its next safe point.
//
// One processor publishes at a time, all take, and none waits for another: who would publish while another
// does is told `busy`. A vCPU first says that it uses a slot and
// then looks whether it is still the newest; the publisher first makes another slot the newest and then looks
// for users. So one of the two sees the other.

#include "hypervisor/shadow/sync_list.hpp"
#include "link/saved_state.hpp"
#include "vmcs/bitmap.hpp"
#include "vmcs/profile.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shadowtune::shadow {

struct Generation {
    std::uint32_t number{0};
    link::Mode mode{link::Mode::trap};
    std::uint16_t sample_interval{0}; // in mode sample
    vmcs::ShadowSets sets{};          // empty in mode trap
    SyncList writes{};                // sets.write
    std::uint64_t read_bitmap{0};     // physical addresses of the two pages
    std::uint64_t write_bitmap{0};
    char name[sizeof(link::ProfileImage::name)]{};
};

// Why a profile is not taken.
struct Refusal {
    link::CommandStatus status{link::CommandStatus::done};
    vmcs::ProfileError profile{};
};

class Generations {
public:
    // `pages`: so many 4-KiB pages of L0's. Starts in mode trap, generation 1.
    static constexpr std::size_t slots{4}, pages_needed{2 * slots + 1};
    void start(std::uint64_t pages, const vmcs::ProfileTarget& target);

    // Checks the profile again and makes it the newest generation: in mode sample where that is in force,
    // else in mode tuned.
    [[nodiscard]] Result<std::uint32_t, Refusal> load(const link::ProfileImage& image);
    // Mode trap, or back to the profile loaded last. `sample_interval`: 1 or more in mode sample, else 0.
    [[nodiscard]] Result<std::uint32_t, Refusal> set_mode(link::Mode mode, std::uint16_t sample_interval = 0);

    // For a saved L1: what is in force, and the profile to go back to.
    [[nodiscard]] link::SavedBitmaps save() const;
    // Before any vCPU runs: the saved bitmaps, under their number. A profile is checked as load() does it.
    [[nodiscard]] Result<void, Refusal> restore(const link::SavedBitmaps& saved);

    [[nodiscard]] Generation& newest() { return *m_newest.load(); }
    // Physical address of a bitmap under which every access exits.
    [[nodiscard]] std::uint64_t trap_bitmap() const { return m_trap_bitmap; }

    // Another mode than trap has been in force, or was about to be: accesses may have passed unseen.
    [[nodiscard]] bool has_shadowed() const { return m_has_shadowed.load(std::memory_order_relaxed); }

    // The newest, with the caller as one more user; give_back() when it moves on.
    [[nodiscard]] Generation& take_newest();
    void give_back(const Generation& generation) { m_users[&generation - m_slots].fetch_sub(1); }

    [[nodiscard]] const vmcs::ProfileTarget& target() const { return m_target; }

private:
    // The right to publish; as long as it lives nobody else has it.
    class Right {
    public:
        explicit Right(std::atomic<bool>& taken) : m_taken{taken}, m_mine{!taken.exchange(true)} {}
        ~Right() {
            if (m_mine) m_taken = false;
        }
        Right(const Right&) = delete;
        Right& operator=(const Right&) = delete;
        [[nodiscard]] explicit operator bool() const { return m_mine; }

    private:
        std::atomic<bool>& m_taken;
        bool m_mine;
    };

    [[nodiscard]] Result<vmcs::ShadowSets, Refusal> check(const link::ProfileImage& image) const;
    [[nodiscard]] Generation* free_slot();
    [[nodiscard]] Result<std::uint32_t, Refusal> publish(link::Mode mode, std::uint16_t sample_interval);

    Generation m_slots[slots]{};
    std::atomic<std::uint32_t> m_users[slots]{}; // vCPUs that run with it
    std::atomic<Generation*> m_newest{m_slots};
    std::uint64_t m_trap_bitmap{0};
    std::uint32_t m_last_number{0};
    std::atomic<bool> m_publishing{false};
    std::atomic<bool> m_has_shadowed{false};
    vmcs::ProfileTarget m_target{};
    bool m_has_profile{false};
    vmcs::ShadowSets m_profile{};
    char m_name[sizeof(link::ProfileImage::name)]{};
};

} // namespace shadowtune::shadow
