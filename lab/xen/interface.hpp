// What dom0 says to Xen 4.17: numbers and structures of its stable and control interfaces (facts of the
// public headers xen.h, domctl.h, memory.h, sched.h, physdev.h, event_channel.h and hvm/{hvm_op,params}.h).
#pragma once

#include <cstdint>

namespace shadowtune::xen {

extern "C" long hypercall(unsigned long number, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
                          unsigned long d = 0, unsigned long e = 0);

namespace call {
inline constexpr unsigned long memory{12};
inline constexpr unsigned long map_own_page{14};
inline constexpr unsigned long console{18};
inline constexpr unsigned long map_foreign_page{22};
inline constexpr unsigned long scheduler{29};
inline constexpr unsigned long event_channel{32};
inline constexpr unsigned long physical_devices{33};
inline constexpr unsigned long hardware_virtualised{34};
inline constexpr unsigned long domain_control{36};
} // namespace call

inline constexpr unsigned long console_write{0};
inline constexpr unsigned long scheduler_yield{0}, scheduler_poll{3};
inline constexpr unsigned long set_iopl{6};
inline constexpr unsigned long populate_physmap{6};
inline constexpr unsigned long flush_one_page{2};
inline constexpr std::uint64_t present_writable_user{0x7}; // of a page-table entry
inline constexpr unsigned long set_parameter{0};
inline constexpr unsigned long bind_interdomain{0}, bind_virtual_interrupt{1}, allocate_unbound{6};

// What Xen gives dom0 at its start: only what is used here.
struct StartInfo {
    char magic[32];
    std::uint64_t page_count;
    std::uint64_t shared_page; // machine address
    std::uint64_t before_modules[8];
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

// Wait until one of the channels has an event, or until that time.
struct Poll {
    std::uint64_t ports; // address of std::uint32_t[port_count]
    std::uint32_t port_count;
    std::uint32_t padding;
    std::uint64_t until; // nanoseconds of system time
};
inline constexpr std::uint64_t for_ever{0};

// The page that Xen and dom0 share, as far as it is used here.
struct SharedPage {
    std::uint8_t vcpus[32][64];
    std::uint64_t pending[64]; // a bit for each port
};

// What a hardware-virtualised domain reads of itself by a hypercall.
struct DomainParameter {
    std::uint16_t domain;
    std::uint16_t padding;
    std::uint32_t index;
    std::uint64_t value;
};
inline constexpr std::uint32_t parameter_console_page{17}, parameter_console_channel{18};

// A channel that waits for its other end.
struct UnboundChannel {
    std::uint16_t domain;
    std::uint16_t other_domain;
    std::uint32_t port; // given by Xen
};

// dom0's end of another domain's channel.
struct InterdomainChannel {
    std::uint16_t domain;
    std::uint16_t padding;
    std::uint32_t its_port;
    std::uint32_t own_port; // given by Xen
};

struct VirtualInterrupt {
    std::uint32_t number;
    std::uint32_t vcpu;
    std::uint32_t port; // given by Xen
};
inline constexpr std::uint32_t domain_exception{3}; // a domain has shut down

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

} // namespace shadowtune::xen
