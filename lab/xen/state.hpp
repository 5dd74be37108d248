// The records that a domain's state is made of, as Xen 4.17 takes them (facts of arch-x86/hvm/save.h).
#pragma once

#include <cstdint>

namespace shadowtune::xen {

struct RecordHead {
    std::uint16_t type;
    std::uint16_t instance;
    std::uint32_t length; // without this head
};
inline constexpr std::uint16_t record_end{0}, record_header{1}, record_cpu{2}, record_mtrr{14};

struct StateHeader {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint64_t changeset;
    std::uint32_t cpuid;
    std::uint32_t tsc_khz;
};

// The segments in the order CS, DS, ES, FS, GS, SS, TR, LDTR.
inline constexpr unsigned segment_cs{0}, segment_tr{6}, segment_ldtr{7}, segment_count{8};

struct CpuState {
    std::uint8_t fpu[512];
    std::uint64_t rax, rbx, rcx, rdx, rbp, rsi, rdi, rsp;
    std::uint64_t r8_to_r15[8];
    std::uint64_t rip;
    std::uint64_t rflags;
    std::uint64_t cr0, cr2, cr3, cr4;
    std::uint64_t dr0_to_dr3[4];
    std::uint64_t dr6, dr7;
    std::uint32_t selector[segment_count];
    std::uint32_t limit[segment_count];
    std::uint32_t idtr_limit;
    std::uint32_t gdtr_limit;
    std::uint64_t base[segment_count];
    std::uint64_t idtr_base;
    std::uint64_t gdtr_base;
    std::uint32_t access_rights[segment_count];
    std::uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    std::uint64_t shadow_gs;
    std::uint64_t msr_flags, lstar, star, cstar, syscall_mask, efer, tsc_aux;
    std::uint64_t tsc;
    std::uint32_t pending_event;
    std::uint32_t error_code;
    std::uint32_t flags;
    std::uint32_t padding;
};
static_assert(sizeof(CpuState) == 1032);

struct MtrrState {
    std::uint64_t pat;
    std::uint64_t variable[16];
    std::uint64_t fixed[11];
    std::uint64_t capabilities;
    std::uint64_t default_type;
};
static_assert(sizeof(MtrrState) == 240);

} // namespace shadowtune::xen
