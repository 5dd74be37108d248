#pragma once

// The EPT that runs L2: L1's own EPT (guest-physical of L2 to physical of L1) composed with the map of L1's
// memory (physical of L1 to host-physical), filled at EPT violations. One set of tables for each EPTP of L1's
// that is in use; where room runs out, the one that was turned to longest ago is given up.

#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/nested/ept12.hpp"
#include "hypervisor/vmx/hardware.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

template <typename Hardware>
class BasicEpt02 {
public:
    static constexpr std::size_t roots{1024};
    static constexpr std::size_t most_pages{4096};

    // `pool`: `pages` 4-KiB pages of L0's, at most most_pages.
    void start(std::uint64_t pool, std::size_t pages);

    // The EPTP for vmcs02 that stands for this EPTP of L1's; empty tables where it is new.
    [[nodiscard]] std::uint64_t pointer_for(Hardware& hardware, std::uint64_t eptp12) {
        return pointer_of(find_or_add(hardware, eptp12));
    }

    // Maps what a successful walk of L1's tables found. False where the tables had to be given up for lack of
    // pages: vmcs02's EPTP must be set again.
    [[nodiscard]] bool map(Hardware& hardware, const memory::L1Memory& l1, std::uint64_t eptp12,
                           std::uint64_t guest_physical, const EptWalk& walk);

    // How often tables have been dropped: what pointer_for() gave before may be of no use.
    [[nodiscard]] std::uint64_t drops() const { return m_drops; }

    // INVEPT by L1.
    void forget(Hardware& hardware, std::uint64_t eptp12);
    void forget_all(Hardware& hardware);

private:
    static constexpr std::uint64_t read_bit{1}, write_bit{2}, execute_bit{4}, large_bit{0x80},
        ignore_pat_bit{0x40};
    static constexpr std::uint64_t table_rights{read_bit | write_bit | execute_bit};
    static constexpr std::uint64_t address_mask{0x000F'FFFF'FFFF'F000};

    using RootIndex = std::uint16_t;
    static constexpr RootIndex no_root{roots};
    static constexpr std::size_t buckets{roots}; // a power of 2

    struct Root {
        std::uint64_t eptp12{0};
        std::uint64_t table{0};     // 0: not in use
        std::uint32_t last_page{0}; // chain of this root's pages by m_next; 0 ends it
        RootIndex next_in_bucket{no_root};
        RootIndex newer{no_root}; // by when L1 turned to it; of one that is not in use the next such one
        RootIndex older{no_root};
    };

    // Accessed and dirty flags as in L1's EPTP: where they are on, the processor treats L2's page walks as
    // writes (SDM Vol. 3C, 29.3.3.2), and so they have to be for L1. The flags that it sets here nobody
    // reads.
    [[nodiscard]] static std::uint64_t pointer_of(const Root& root) {
        constexpr std::uint64_t four_levels{3U << 3}, accessed_dirty{0x40};
        return root.table | memory::ept_write_back | four_levels | (root.eptp12 & accessed_dirty);
    }
    [[nodiscard]] Root& find_or_add(Hardware& hardware, std::uint64_t eptp12) {
        const bool is_last{m_last->table != 0 && m_last->eptp12 == eptp12};
        return is_last ? *m_last : *(m_last = &search_or_add(hardware, eptp12));
    }
    // By the address of L1's root table: INVEPT goes by that alone.
    [[nodiscard]] static std::size_t bucket_of(std::uint64_t eptp12);
    [[nodiscard]] Root& search_or_add(Hardware& hardware, std::uint64_t eptp12);
    [[nodiscard]] std::uint64_t take_page(Hardware& hardware, Root& root);
    void release(Hardware& hardware, Root& root);
    void add_as_newest(Root& root);
    void take_out_of_order(const Root& root);
    [[nodiscard]] RootIndex index_of(const Root& root) const {
        return static_cast<RootIndex>(&root - m_roots);
    }
    // Null where this root alone has used up all pages.
    [[nodiscard]] std::uint64_t* entry_for(Hardware& hardware, Root& root, std::uint64_t guest_physical,
                                           unsigned shift);

    std::uint64_t m_drops{0};
    std::uint64_t m_pool{0};
    Root m_roots[roots]{};
    Root* m_last{m_roots}; // looked for last: nearly always the next one, too
    RootIndex m_buckets[buckets]{};
    RootIndex m_newest{no_root};
    RootIndex m_oldest{no_root};
    RootIndex m_unused{no_root};
    std::uint32_t m_free{0}; // chain of free pages; page numbers start at 1
    std::uint32_t m_next[most_pages + 1]{};
};

template <typename Hardware>
void BasicEpt02<Hardware>::start(std::uint64_t pool, std::size_t pages) {
    m_pool = pool;
    for (std::uint32_t page{1}; page <= pages; ++page) {
        m_next[page] = m_free;
        m_free = page;
    }
    for (RootIndex& bucket : m_buckets)
        bucket = no_root;
    for (Root& root : m_roots) {
        root.newer = m_unused;
        m_unused = index_of(root);
    }
}

template <typename Hardware>
std::size_t BasicEpt02<Hardware>::bucket_of(std::uint64_t eptp12) {
    constexpr std::uint64_t golden_ratio{0x9E37'79B9'7F4A'7C15};
    constexpr unsigned bits{std::countr_zero(buckets)};
    return static_cast<std::size_t>((eptp12 & address_mask) * golden_ratio >> (64 - bits));
}

template <typename Hardware>
void BasicEpt02<Hardware>::add_as_newest(Root& root) {
    root.older = m_newest;
    root.newer = no_root;
    (m_newest == no_root ? m_oldest : m_roots[m_newest].newer) = index_of(root);
    m_newest = index_of(root);
}

template <typename Hardware>
void BasicEpt02<Hardware>::take_out_of_order(const Root& root) {
    (root.newer == no_root ? m_newest : m_roots[root.newer].older) = root.older;
    (root.older == no_root ? m_oldest : m_roots[root.older].newer) = root.newer;
}

template <typename Hardware>
std::uint64_t BasicEpt02<Hardware>::take_page(Hardware& hardware, Root& root) {
    while (m_free == 0 && m_oldest != no_root && m_oldest != index_of(root))
        release(hardware, m_roots[m_oldest]);
    const std::uint32_t page{m_free};
    if (page == 0) return 0;
    m_free = m_next[page];
    m_next[page] = root.last_page;
    root.last_page = page;
    const std::uint64_t address{m_pool + (page - 1) * memory::page_size};
    __builtin_memset(memory::at_physical<void>(address), 0, memory::page_size);
    return address;
}

template <typename Hardware>
void BasicEpt02<Hardware>::release(Hardware& hardware, Root& root) {
    ++m_drops;
    hardware.invalidate(vmx::InvalidateEpt::single_context, pointer_of(root));
    while (root.last_page != 0) {
        const std::uint32_t page{root.last_page};
        root.last_page = m_next[page];
        m_next[page] = m_free;
        m_free = page;
    }
    RootIndex* link{&m_buckets[bucket_of(root.eptp12)]};
    while (*link != index_of(root))
        link = &m_roots[*link].next_in_bucket;
    *link = root.next_in_bucket;
    take_out_of_order(root);
    root.table = 0;
    root.newer = m_unused;
    m_unused = index_of(root);
}

template <typename Hardware>
typename BasicEpt02<Hardware>::Root& BasicEpt02<Hardware>::search_or_add(Hardware& hardware,
                                                                         std::uint64_t eptp12) {
    RootIndex& bucket{m_buckets[bucket_of(eptp12)]};
    for (RootIndex i{bucket}; i != no_root; i = m_roots[i].next_in_bucket) {
        Root& root{m_roots[i]};
        if (root.eptp12 != eptp12) continue;
        take_out_of_order(root);
        add_as_newest(root);
        return root;
    }
    if (m_unused == no_root) release(hardware, m_roots[m_oldest]);
    Root& root{m_roots[m_unused]};
    m_unused = root.newer;
    root.eptp12 = eptp12;
    root.table = take_page(hardware, root);
    root.next_in_bucket = bucket;
    bucket = index_of(root);
    add_as_newest(root);
    return root;
}

template <typename Hardware>
std::uint64_t* BasicEpt02<Hardware>::entry_for(Hardware& hardware, Root& root, std::uint64_t guest_physical,
                                               unsigned shift) {
    std::uint64_t table{root.table};
    for (unsigned level_shift{39};; level_shift -= 9) {
        auto* const entry{memory::at_physical<std::uint64_t>(table) + (guest_physical >> level_shift & 511)};
        if (level_shift == shift) return entry;
        // A leaf in the way was made for a larger page of L1's that is smaller now; what it mapped is found
        // again.
        if (*entry == 0 || (*entry & large_bit) != 0) {
            const std::uint64_t page{take_page(hardware, root)};
            if (page == 0) return nullptr;
            *entry = page | table_rights;
        }
        table = *entry & address_mask;
    }
}

template <typename Hardware>
bool BasicEpt02<Hardware>::map(Hardware& hardware, const memory::L1Memory& l1, std::uint64_t eptp12,
                               std::uint64_t guest_physical, const EptWalk& walk) {
    // As large as both maps allow, but 1 GiB, which few L1s use and the pool does not need.
    const std::uint64_t two_mib_start{walk.address & ~(memory::large_page_size - 1)};
    const bool large{walk.page_shift >= 21 && l1.is_identity(two_mib_start, memory::large_page_size)};
    const unsigned shift{large ? 21U : 12U};
    Root& root{find_or_add(hardware, eptp12)};
    std::uint64_t* const entry{entry_for(hardware, root, guest_physical, shift)};
    if (entry == nullptr) {
        release(hardware, root);
        return false;
    }
    const std::uint64_t start{walk.address & ~((std::uint64_t{1} << shift) - 1)};
    // Not writable before L1's dirty flag is set: the write must come by here again to set it.
    const std::uint64_t rights{(walk.readable ? read_bit : 0) |
                               (walk.writable && walk.dirty ? write_bit : 0) |
                               (walk.executable ? execute_bit : 0)};
    *entry = l1.host_address(start) | rights | (walk.ignore_pat ? ignore_pat_bit : 0) |
             std::uint64_t{walk.memory_type} << 3 | (large ? large_bit : 0);
    return true;
}

template <typename Hardware>
void BasicEpt02<Hardware>::forget(Hardware& hardware, std::uint64_t eptp12) {
    // INVEPT goes by the address of the root table alone (SDM Vol. 3C, 29.4.3.1).
    for (RootIndex i{m_buckets[bucket_of(eptp12)]}; i != no_root;) {
        Root& root{m_roots[i]};
        i = root.next_in_bucket;
        if (((root.eptp12 ^ eptp12) & address_mask) == 0) release(hardware, root);
    }
}

template <typename Hardware>
void BasicEpt02<Hardware>::forget_all(Hardware& hardware) {
    while (m_newest != no_root)
        release(hardware, m_roots[m_newest]);
}

using Ept02 = BasicEpt02<vmx::Hardware>;

} // namespace shadowtune::nested
