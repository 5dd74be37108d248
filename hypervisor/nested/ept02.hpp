#pragma once

// The EPT that runs L2: L1's own EPT (guest-physical of L2 to physical of L1) composed with the map of L1's
// memory (physical of L1 to host-physical), filled at EPT violations. One set of tables for each EPTP of L1's
// that is in use.

#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/nested/ept12.hpp"
#include "hypervisor/vmx/hardware.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

class Ept02 {
public:
    static constexpr std::size_t roots{8};
    static constexpr std::size_t most_pages{2048};

    // `pool`: `pages` 4-KiB pages of L0's, at most most_pages.
    void start(std::uint64_t pool, std::size_t pages);

    // The EPTP for vmcs02 that stands for this EPTP of L1's; empty tables where it is new.
    [[nodiscard]] std::uint64_t pointer_for(vmx::Hardware& hardware, std::uint64_t eptp12) {
        return pointer_of(find_or_add(hardware, eptp12));
    }

    // Maps what a successful walk of L1's tables found. False where the tables had to be given up for lack of
    // pages: vmcs02's EPTP must be set again.
    [[nodiscard]] bool map(vmx::Hardware& hardware, const memory::L1Memory& l1, std::uint64_t eptp12,
                           std::uint64_t guest_physical, const EptWalk& walk);

    // How often tables have been dropped: what pointer_for() gave before may be of no use.
    [[nodiscard]] std::uint64_t drops() const { return m_drops; }

    // INVEPT by L1.
    void forget(vmx::Hardware& hardware, std::uint64_t eptp12);
    void forget_all(vmx::Hardware& hardware);

private:
    struct Root {
        std::uint64_t eptp12{0};
        std::uint64_t table{0};     // 0: slot unused
        std::uint32_t last_page{0}; // chain of this root's pages by m_next; 0 ends it
    };

    // Accessed and dirty flags as in L1's EPTP: where they are on, the processor treats L2's page walks as
    // writes (SDM Vol. 3C, 29.3.3.2), and so they have to be for L1. The flags that it sets here nobody
    // reads.
    [[nodiscard]] static std::uint64_t pointer_of(const Root& root) {
        constexpr std::uint64_t four_levels{3U << 3}, accessed_dirty{0x40};
        return root.table | memory::ept_write_back | four_levels | (root.eptp12 & accessed_dirty);
    }
    [[nodiscard]] Root& find_or_add(vmx::Hardware& hardware, std::uint64_t eptp12) {
        const bool is_last{m_last->table != 0 && m_last->eptp12 == eptp12};
        return is_last ? *m_last : *(m_last = &search_or_add(hardware, eptp12));
    }
    [[nodiscard]] Root& search_or_add(vmx::Hardware& hardware, std::uint64_t eptp12);
    [[nodiscard]] std::uint64_t take_page(Root& root);
    void release(vmx::Hardware& hardware, Root& root);
    [[nodiscard]] std::uint64_t* entry_for(Root& root, std::uint64_t guest_physical, unsigned shift);

    std::uint64_t m_drops{0};
    std::uint64_t m_pool{0};
    Root m_roots[roots]{};
    Root* m_last{m_roots}; // looked for last: nearly always the next one, too
    std::size_t m_oldest{0};
    std::uint32_t m_free{0}; // chain of free pages; page numbers start at 1
    std::uint32_t m_next[most_pages + 1]{};
};

} // namespace shadowtune::nested
