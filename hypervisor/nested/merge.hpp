#pragma once

// MSR and I/O bitmaps of vmcs02: an access exits if L0 or L1 wants it. SDM Vol. 3C, sections 25.6.4
// and 25.6.9, and 26.1.3 "Instructions That Cause VM Exits Conditionally" (edition 325462-087).

#include "hypervisor/vmx/controls.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

// One 4-KiB bitmap in words, as the processor and L1 lay it out.
struct alignas(4096) BitmapWords {
    static constexpr std::size_t count{512};
    std::uint64_t words[count]{};

    [[nodiscard]] constexpr bool test(std::size_t bit) const {
        return ((words[bit / 64] >> (bit % 64)) & 1U) != 0;
    }
    constexpr void set(std::size_t bit) { words[bit / 64] |= std::uint64_t{1} << (bit % 64); }
};

// L0's own wishes as a bitmap page, and the few words of it that hold any.
struct OwnBitmap {
    static constexpr std::size_t capacity{33};
    const BitmapWords* page{nullptr};
    std::uint64_t others[capacity]{}; // the bits of the word that L0 does not ask for
    std::uint32_t places[capacity]{};
    std::size_t count{0};

    // False where more words hold wishes than there is room for.
    [[nodiscard]] bool set(const BitmapWords* all) {
        page = all;
        for (std::size_t i{0}; i < BitmapWords::count; ++i) {
            if (all->words[i] == 0) continue;
            if (count == capacity) return false;
            others[count] = ~all->words[i];
            places[count++] = static_cast<std::uint32_t>(i);
        }
        // The comparison goes by threes.
        for (std::size_t i{count}; i % 3 != 0; ++i)
            others[i] = ~std::uint64_t{0};
        return true;
    }

    // True where L1's page asks for everything that this one asks for. At each entry of L2: without a branch
    // for each word.
    [[nodiscard]] bool is_covered_by(const BitmapWords& l1) const {
        std::uint64_t all{~std::uint64_t{0}};
        for (std::size_t i{0}; i < count; i += 3) {
            const auto granted{[&](std::size_t k) { return l1.words[places[i + k]] | others[i + k]; }};
            all &= granted(0) & granted(1) & granted(2);
        }
        return all == ~std::uint64_t{0};
    }

    // What L0 or L1 asks for. Each word of L1's page is read once: L1 may be changing it.
    void merge(BitmapWords& merged, const BitmapWords& l1) const {
        const std::uint64_t* from{l1.words};
        std::uint64_t* to{merged.words};
        std::size_t words{BitmapWords::count};
        asm volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(words) : : "memory");
        for (std::size_t i{0}; i < count; ++i)
            merged.words[places[i]] |= ~others[i];
    }
};

// Marks L0's own ports in its pages A (0 to 7FFFH) and B (8000H to FFFFH).
constexpr void claim_ports(BitmapWords& a, BitmapWords& b, std::uint16_t first, std::uint16_t last) {
    for (std::uint32_t port{first}; port <= last; ++port)
        (port < 0x8000U ? a : b).set(port & 0x7FFFU);
}

// The bit of an MSR in the bitmap page, or no_msr_bit for an MSR outside both ranges (such accesses always
// exit).
inline constexpr std::size_t no_msr_bit{~std::size_t{0}};
[[nodiscard]] constexpr std::size_t msr_bit(std::uint32_t msr, bool write) {
    const std::size_t half{write ? std::size_t{2048} * 8 : 0};
    if (msr <= 0x1FFF) return half + msr;
    if (msr >= 0xC0000000 && msr <= 0xC0001FFF) return half + std::size_t{1024} * 8 + (msr & 0x1FFF);
    return no_msr_bit;
}

// Marks an MSR that L0 itself must see.
constexpr void claim_msr(BitmapWords& page, std::uint32_t msr, bool read, bool write) {
    if (msr_bit(msr, false) == no_msr_bit) return;
    if (read) page.set(msr_bit(msr, false));
    if (write) page.set(msr_bit(msr, true));
}

// Whether L1's own controls make this access of L2 exit. A null page wants everything.
[[nodiscard]] constexpr bool l1_wants_msr_exit(std::uint32_t l1_primary_controls, const BitmapWords* page,
                                               std::uint32_t msr, bool write) {
    if ((l1_primary_controls & vmx::primary::use_msr_bitmaps) == 0 || page == nullptr) return true;
    const std::size_t bit{msr_bit(msr, write)};
    return bit == no_msr_bit || page->test(bit);
}

// `size` in bytes: 1, 2 or 4. An access that crosses port FFFFH exits whatever the bitmaps say.
[[nodiscard]] constexpr bool l1_wants_io_exit(std::uint32_t l1_primary_controls, const BitmapWords* a,
                                              const BitmapWords* b, std::uint16_t port, unsigned size) {
    if ((l1_primary_controls & vmx::primary::use_io_bitmaps) == 0) {
        return (l1_primary_controls & vmx::primary::unconditional_io_exiting) != 0;
    }
    for (std::uint32_t p{port}; p < port + size; ++p) {
        if (p > 0xFFFFU) return true;
        const BitmapWords* page{p < 0x8000U ? a : b};
        if (page == nullptr || page->test(p & 0x7FFFU)) return true;
    }
    return false;
}

} // namespace shadowtune::nested
