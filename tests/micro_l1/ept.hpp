#pragma once

// L1's EPT for L2 (EPT12): the first 4 GiB one to one, with holes and odd mappings where a script wants them.

#include "tests/micro_l1/vmx_root.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::micro_l1 {

// SDM Vol. 3C, section 29.3.2 "EPT Translation Mechanism" (edition 325462-087).
inline constexpr std::uint64_t ept_read{1};
inline constexpr std::uint64_t ept_write{2};
inline constexpr std::uint64_t ept_execute{4};
inline constexpr std::uint64_t ept_all{7};
inline constexpr std::uint64_t ept_write_back{6U << 3};
inline constexpr std::uint64_t ept_large{1U << 7};
inline constexpr std::uint64_t ept_accessed{1U << 8};
inline constexpr std::uint64_t ept_dirty{1U << 9};

class Ept {
public:
    // Everything below 4 GiB with 2-MiB pages, all rights.
    void map_identity();
    // Splits the 2 MiB around `guest_physical` and sets its 4-KiB entry; bits: rights only, write-back is
    // added where any right is given. At most `max_splits` different 2-MiB regions.
    void map_small(std::uint64_t guest_physical, std::uint64_t host_physical, std::uint64_t rights);
    void map_large(std::uint64_t guest_physical, std::uint64_t host_physical, std::uint64_t rights);
    // The page-directory entry itself: for scripts that point it where they should not.
    void set_directory_entry(std::uint64_t guest_physical, std::uint64_t entry);

    // Sets bits in every entry of every table that is present.
    void add_flags(std::uint64_t flags);

    [[nodiscard]] std::uint64_t& small_entry(std::uint64_t guest_physical);
    [[nodiscard]] std::uint64_t pointer(bool accessed_and_dirty = false) const;

    static constexpr std::size_t max_splits{8};

private:
    struct alignas(4096) Table {
        std::uint64_t entries[512];
    };

    [[nodiscard]] std::uint64_t& large_entry(std::uint64_t guest_physical);

    Table m_pml4;
    Table m_pdpt;
    Table m_directories[4];
    Table m_tables[max_splits];
    std::size_t m_splits;
};

[[nodiscard]] bool ept_accessed_dirty_supported();
// All contexts: scripts change mappings in place.
void flush_ept();

} // namespace shadowtune::micro_l1
