#pragma once

// The bitmaps that may be in force, each with its generation number. A bitmap page is never changed while a
// VMCS names it (SDM Vol. 3C, 25.11.4 "Software Access to Related Structures"): a new profile goes to pages
// that no vCPU uses, and each vCPU moves to them at its next safe point.

#include "link/saved_state.hpp"
#include "vmcs/bitmap.hpp"
#include "vmcs/profile.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::shadow {

struct Generation {
    std::uint32_t number{0};
    link::Mode mode{link::Mode::trap};
    vmcs::ShadowSets sets{};      // empty in mode trap
    std::uint64_t read_bitmap{0}; // physical addresses of the two pages
    std::uint64_t write_bitmap{0};
    std::uint32_t users{0}; // vCPUs that run with it
    char name[sizeof(link::ProfileImage::name)]{};
};

// Why a profile is not taken.
struct Refusal {
    link::CommandStatus status{link::CommandStatus::done};
    vmcs::ProfileError profile{};
};

class Generations {
public:
    // `pages`: 2 * slots 4-KiB pages of L0's. Starts in mode trap, generation 1.
    static constexpr std::size_t slots{4};
    void start(std::uint64_t pages, const vmcs::ProfileTarget& target);

    // Checks the profile again and makes it the newest generation, in mode tuned.
    [[nodiscard]] Result<std::uint32_t, Refusal> load(const link::ProfileImage& image);
    // Mode trap, or back to the profile loaded last.
    [[nodiscard]] Result<std::uint32_t, Refusal> set_mode(link::Mode mode);

    // For a saved L1: what is in force, and the profile to go back to.
    [[nodiscard]] link::SavedBitmaps save() const;
    // Before any vCPU runs: the saved bitmaps, under their number. A profile is checked as load() does it.
    [[nodiscard]] Result<void, Refusal> restore(const link::SavedBitmaps& saved);

    [[nodiscard]] Generation& newest() { return m_slots[m_newest]; }

private:
    [[nodiscard]] Result<vmcs::ShadowSets, Refusal> check(const link::ProfileImage& image) const;
    [[nodiscard]] Generation* free_slot();
    [[nodiscard]] Result<std::uint32_t, Refusal> publish(link::Mode mode);

    Generation m_slots[slots]{};
    std::size_t m_newest{0};
    std::uint32_t m_last_number{0};
    vmcs::ProfileTarget m_target{};
    bool m_has_profile{false};
    vmcs::ShadowSets m_profile{};
    char m_name[sizeof(link::ProfileImage::name)]{};
};

} // namespace shadowtune::shadow
