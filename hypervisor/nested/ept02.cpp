#include "hypervisor/nested/ept02.hpp"

namespace shadowtune::nested {

namespace {

constexpr std::uint64_t read_bit{1}, write_bit{2}, execute_bit{4}, large_bit{0x80}, ignore_pat_bit{0x40};
constexpr std::uint64_t table_rights{read_bit | write_bit | execute_bit};
constexpr std::uint64_t address_mask{0x000F'FFFF'FFFF'F000};

} // namespace

void Ept02::start(std::uint64_t pool, std::size_t pages) {
    m_pool = pool;
    for (std::uint32_t page{1}; page <= pages; ++page) {
        m_next[page] = m_free;
        m_free = page;
    }
}

std::uint64_t Ept02::take_page(Root& root) {
    const std::uint32_t page{m_free};
    if (page == 0) return 0;
    m_free = m_next[page];
    m_next[page] = root.last_page;
    root.last_page = page;
    const std::uint64_t address{m_pool + (page - 1) * memory::page_size};
    __builtin_memset(memory::at_physical<void>(address), 0, memory::page_size);
    return address;
}

void Ept02::release(vmx::Hardware& hardware, Root& root) {
    if (root.table == 0) return;
    ++m_drops;
    hardware.invalidate(vmx::InvalidateEpt::single_context, pointer_of(root));
    while (root.last_page != 0) {
        const std::uint32_t page{root.last_page};
        root.last_page = m_next[page];
        m_next[page] = m_free;
        m_free = page;
    }
    root.table = 0;
}

Ept02::Root& Ept02::search_or_add(vmx::Hardware& hardware, std::uint64_t eptp12) {
    Root* place{nullptr};
    for (Root& root : m_roots) {
        if (root.table != 0 && root.eptp12 == eptp12) return root;
    }
    for (Root& root : m_roots) {
        if (root.table == 0) place = &root;
    }
    if (place == nullptr) {
        place = &m_roots[m_oldest];
        m_oldest = (m_oldest + 1) % roots;
        release(hardware, *place);
    }
    place->eptp12 = eptp12;
    place->table = take_page(*place);
    if (place->table == 0) {
        for (Root& root : m_roots)
            release(hardware, root);
        place->table = take_page(*place);
    }
    return *place;
}

std::uint64_t* Ept02::entry_for(Root& root, std::uint64_t guest_physical, unsigned shift) {
    std::uint64_t table{root.table};
    for (unsigned level_shift{39};; level_shift -= 9) {
        auto* const entry{memory::at_physical<std::uint64_t>(table) + (guest_physical >> level_shift & 511)};
        if (level_shift == shift) return entry;
        // A leaf in the way was made for a larger page of L1's that is smaller now; what it mapped is found
        // again.
        if (*entry == 0 || (*entry & large_bit) != 0) {
            const std::uint64_t page{take_page(root)};
            if (page == 0) return nullptr;
            *entry = page | table_rights;
        }
        table = *entry & address_mask;
    }
}

bool Ept02::map(vmx::Hardware& hardware, const memory::L1Memory& l1, std::uint64_t eptp12,
                std::uint64_t guest_physical, const EptWalk& walk) {
    // As large as both maps allow, but 1 GiB, which few L1s use and the pool does not need.
    const std::uint64_t two_mib_start{walk.address & ~(memory::large_page_size - 1)};
    const bool large{walk.page_shift >= 21 && l1.is_identity(two_mib_start, memory::large_page_size)};
    const unsigned shift{large ? 21U : 12U};
    Root& root{find_or_add(hardware, eptp12)};
    std::uint64_t* const entry{entry_for(root, guest_physical, shift)};
    if (entry == nullptr) {
        forget_all(hardware);
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

void Ept02::forget(vmx::Hardware& hardware, std::uint64_t eptp12) {
    // INVEPT goes by the address of the root table alone (SDM Vol. 3C, 29.4.3.1).
    for (Root& root : m_roots) {
        if (((root.eptp12 ^ eptp12) & address_mask) == 0) release(hardware, root);
    }
}

void Ept02::forget_all(vmx::Hardware& hardware) {
    for (Root& root : m_roots)
        release(hardware, root);
}

} // namespace shadowtune::nested
