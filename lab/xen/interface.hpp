// What dom0 says to Xen 4.17: numbers and structures of its stable and control interfaces (facts of the
// public headers xen.h, domctl.h, memory.h, sched.h, physdev.h and arch-x86/hvm/save.h).
#pragma once

#include <cstdint>

namespace shadowtune::xen {

extern "C" long hypercall(unsigned long number, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
                          unsigned long d = 0, unsigned long e = 0);

namespace call {
inline constexpr unsigned long memory{12};
inline constexpr unsigned long console{18};
inline constexpr unsigned long map_foreign_page{22};
inline constexpr unsigned long scheduler{29};
inline constexpr unsigned long physical_devices{33};
inline constexpr unsigned long domain_control{36};
} // namespace call

inline constexpr unsigned long console_write{0};
inline constexpr unsigned long scheduler_yield{0};
inline constexpr unsigned long set_iopl{6};
inline constexpr unsigned long populate_physmap{6};
inline constexpr unsigned long flush_one_page{2};

// What Xen gives dom0 at its start: only what is used here.
struct StartInfo {
    char magic[32];
    std::uint64_t before_modules[10];
    std::uint64_t module_start;
    std::uint64_t module_length;
    char command_line[1024];
};

struct MemoryReservation {
    std::uint64_t frames;
    std::uint64_t frame_count;
    std::uint32_t order;
    std::uint32_t flags;
    std::uint16_t domain;
};

enum class Control : std::uint32_t {
    create = 1,
    unpause = 4,
    information = 5,
    max_memory = 11,
    max_vcpus = 15,
    get_hvm_context = 33,
    set_hvm_context = 34,
    set_paging_pool = 86,
};

// Version 15H: all of domctl.
inline constexpr std::uint32_t control_version{0x15};
inline constexpr std::uint32_t create_hvm{1U << 0}, create_hap{1U << 1};
inline constexpr std::uint32_t emulate_local_apic{1U << 0};
inline constexpr std::uint32_t information_shutdown{1U << 2};
inline constexpr unsigned shutdown_reason_shift{16};

struct CreateDomain {
    std::uint32_t security_id;
    std::uint8_t handle[16];
    std::uint32_t flags;
    std::uint32_t iommu_options;
    std::uint32_t max_vcpus;
    std::uint32_t max_event_channel;
    std::int32_t max_grant_frames;
    std::int32_t max_maptrack_frames;
    std::uint32_t grant_version;
    std::uint32_t trace_size;
    std::uint32_t cpu_pool;
    std::uint32_t emulation_flags;
    std::uint32_t other_flags;
};

struct DomainInformation {
    std::uint16_t domain;
    std::uint16_t padding;
    std::uint32_t flags;
};

struct HvmContext {
    std::uint32_t size;
    std::uint32_t padding;
    std::uint64_t buffer;
};

struct ControlRequest {
    Control command;
    std::uint32_t version;
    std::uint16_t domain;
    std::uint16_t padding[3];
    union {
        CreateDomain create;
        DomainInformation information;
        HvmContext context;
        std::uint64_t number; // maximum of memory in KiB or vCPUs, size of the paging pool in bytes
        std::uint8_t room[128];
    };
};
static_assert(sizeof(ControlRequest) == 144);

// The records of a domain's state.
struct RecordHead {
    std::uint16_t type;
    std::uint16_t instance;
    std::uint32_t length; // without this head
};
inline constexpr std::uint16_t record_end{0}, record_header{1}, record_cpu{2};

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

} // namespace shadowtune::xen
