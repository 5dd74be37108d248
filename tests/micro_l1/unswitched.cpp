#include "tests/micro_l1/unswitched.hpp"

#include "tests/micro_l1/cpu.hpp"

#include <cstddef>

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint32_t msrs[]{msr_star, msr_lstar, msr_fmask, msr_kernel_gs_base, msr_tsc_aux};
constexpr std::size_t msr_count{sizeof(msrs) / sizeof(msrs[0])};

// The XSAVE area in standard form as far as AVX: x87 and SSE, header, upper halves of YMM (SDM Vol. 1, 13.4).
constexpr std::size_t area_words{832 / 8};
constexpr std::size_t xmm_word{160 / 8}, xmm_end{416 / 8};
constexpr std::size_t header_word{512 / 8}, ymm_word{576 / 8};

struct Unswitched {
    std::uint64_t cr2;
    std::uint64_t dr[4];
    std::uint64_t msr[msr_count];
    alignas(64) std::uint64_t area[area_words];
};

Unswitched g_wanted;
Unswitched g_got;
std::uint64_t g_components{0}; // of XCR0; 0: no XSAVE

[[nodiscard]] std::uint64_t canonical(std::uint64_t value) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << 16) >> 16);
}

#define DEBUG_REGISTER(n)                                                                                    \
    void write_dr##n(std::uint64_t value) {                                                                  \
        asm volatile("movq %0, %%dr" #n : : "r"(value));                                                     \
    }                                                                                                        \
    [[nodiscard]] std::uint64_t read_dr##n() {                                                               \
        std::uint64_t value{0};                                                                              \
        asm volatile("movq %%dr" #n ", %0" : "=r"(value));                                                   \
        return value;                                                                                        \
    }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
#undef DEBUG_REGISTER

// LSTAR and KERNEL_GS_BASE are addresses; the others are 32 bits wide or free.
[[nodiscard]] std::uint64_t valid_msr(std::uint32_t msr, std::uint64_t any) {
    if (msr == msr_star) return any;
    return msr == msr_fmask || msr == msr_tsc_aux ? any & 0xFFFFFFFF : canonical(any);
}

void restore_area(const std::uint64_t* area) {
    asm volatile("xrstor64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
}

void save_area(std::uint64_t* area) {
    asm volatile("xsave64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
}

} // namespace

void enable_extended_state() {
    constexpr std::uint32_t xsave_bit{1U << 26}, avx_bit{1U << 28};
    constexpr std::uint64_t osfxsr{1U << 9}, osxsave{1U << 18};
    const CpuidResult features{cpuid(1)};
    write_cr4(read_cr4() | osfxsr);
    if ((features.ecx & xsave_bit) == 0) return;
    write_cr4(read_cr4() | osxsave);
    g_components = (features.ecx & avx_bit) != 0 ? 7 : 3;
    asm volatile("xsetbv" : : "c"(0), "a"(static_cast<std::uint32_t>(g_components)), "d"(0));
}

void load_unswitched(Prng& random) {
    g_wanted.cr2 = random.next();
    asm volatile("movq %0, %%cr2" : : "r"(g_wanted.cr2));
    for (std::uint64_t& value : g_wanted.dr)
        value = canonical(random.next());
    write_dr0(g_wanted.dr[0]);
    write_dr1(g_wanted.dr[1]);
    write_dr2(g_wanted.dr[2]);
    write_dr3(g_wanted.dr[3]);
    for (std::size_t i{0}; i < msr_count; ++i) {
        g_wanted.msr[i] = valid_msr(msrs[i], random.next());
        write_msr(msrs[i], g_wanted.msr[i]);
    }
    if (g_components == 0) return;
    save_area(g_wanted.area);
    for (std::size_t i{xmm_word}; i < xmm_end; ++i)
        g_wanted.area[i] = random.next();
    for (std::size_t i{ymm_word}; g_components == 7 && i < area_words; ++i)
        g_wanted.area[i] = random.next();
    g_wanted.area[header_word] = g_components;
    restore_area(g_wanted.area);
}

void check_unswitched(void (*report)(const char* what, std::uint64_t wanted, std::uint64_t got)) {
    const auto compare{[report](const char* what, std::uint64_t wanted, std::uint64_t got) {
        if (wanted != got) report(what, wanted, got);
    }};
    asm volatile("movq %%cr2, %0" : "=r"(g_got.cr2));
    compare("cr2", g_wanted.cr2, g_got.cr2);
    const std::uint64_t dr[]{read_dr0(), read_dr1(), read_dr2(), read_dr3()};
    for (std::size_t i{0}; i < 4; ++i)
        compare("debug-register", g_wanted.dr[i], dr[i]);
    for (std::size_t i{0}; i < msr_count; ++i)
        compare("unswitched-msr", g_wanted.msr[i], read_msr(msrs[i]));
    if (g_components == 0) return;
    save_area(g_got.area);
    for (std::size_t i{xmm_word}; i < xmm_end; ++i)
        compare("xmm", g_wanted.area[i], g_got.area[i]);
    for (std::size_t i{ymm_word}; g_components == 7 && i < area_words; ++i)
        compare("ymm", g_wanted.area[i], g_got.area[i]);
}

} // namespace shadowtune::micro_l1
