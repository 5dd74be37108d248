#include "lab/xen/domain.hpp"

#include <algorithm>

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

// A page of dom0's own address space, behind which the domain's memory appears while it is written.
alignas(page_size) std::uint8_t window[page_size];

constexpr std::uint64_t max_pieces{512};
std::uint64_t frames[max_pieces];

constexpr std::uint64_t state_capacity{16384};
std::uint8_t whole_state[state_capacity];

struct NewState {
    RecordHead header_head;
    StateHeader header;
    RecordHead cpu_head;
    CpuState cpu;
    RecordHead mtrr_head;
    MtrrState mtrr;
    RecordHead end_head;
};
NewState new_state;

// As after reset, but for the default type (SDM Vol. 3A, 11.11.2.1 "IA32_MTRR_DEF_TYPE MSR", 11.12.4
// "Programming the PAT", edition 253668-032).
void fill_mtrr(MtrrState& mtrr) {
    constexpr std::uint64_t write_back{6}, enabled{1U << 11}, eight_ranges_and_fixed{0x508};
    mtrr.pat = 0x0007'0406'0007'0406;
    mtrr.capabilities = eight_ranges_and_fixed;
    mtrr.default_type = write_back | enabled;
}

} // namespace

std::uint16_t create_domain(Hypercalls& xen, std::uint64_t memory_kib, std::uint64_t paging_pool_bytes) {
    ControlRequest request{};
    request.create.flags = create_hvm | create_hap;
    request.create.max_vcpus = 1;
    request.create.max_event_channel = 1023;
    request.create.max_grant_frames = -1; // Xen's own default
    request.create.max_maptrack_frames = -1;
    request.create.grant_version = 1;
    request.create.emulation_flags = emulate_local_apic;
    xen.control("createdomain"sv, Control::create, 0, request);
    const std::uint16_t domain{request.domain};
    xen.control("max_vcpus"sv, Control::max_vcpus, domain, 1);
    xen.control("set_paging_mempool_size"sv, Control::set_paging_pool, domain, paging_pool_bytes);
    xen.control("max_mem"sv, Control::max_memory, domain, memory_kib);
    return domain;
}

void give_memory(Hypercalls& xen, std::uint16_t domain, std::uint64_t at, std::uint64_t count,
                 unsigned order) {
    if (count > max_pieces) xen.refuse("a domain has 1 GiB of memory at most"sv);
    if (xen.are_refused()) return;
    for (std::uint64_t i{0}; i < count; ++i)
        frames[i] = at / page_size + (i << order);
    const MemoryReservation reservation{reinterpret_cast<std::uint64_t>(frames), count, order, 0, domain};
    const long given{xen.call_xen("populate_physmap"sv, call::memory, populate_physmap,
                                  reinterpret_cast<std::uint64_t>(&reservation))};
    if (given != static_cast<long>(count))
        xen.refuse("Xen has less memory than the domain is to have: see --memory and dom0_mem"sv);
}

void map_page(Hypercalls& xen, std::uint16_t domain, std::uint64_t address, void* at) {
    xen.call_xen("update_va_mapping_otherdomain"sv, call::map_foreign_page,
                 reinterpret_cast<std::uint64_t>(at), address | present_writable_user, flush_one_page,
                 domain);
}

void write_memory(Hypercalls& xen, std::uint16_t domain, std::uint64_t at, const void* from,
                  std::uint64_t bytes) {
    for (std::uint64_t done{0}; done < bytes && !xen.are_refused(); done += page_size) {
        map_page(xen, domain, at + done, window);
        if (xen.are_refused()) return;
        const std::uint64_t here{std::min(bytes - done, page_size)};
        __builtin_memcpy(window, static_cast<const std::uint8_t*>(from) + done, here);
        if (here < page_size) __builtin_memset(window + here, 0, page_size - here);
    }
}

CpuState flat_cpu(std::uint64_t entry) {
    constexpr std::uint32_t flat_code{0xC9B}, flat_data{0xC93}, busy_tss{0x8B}, ldt{0x82};
    CpuState cpu{};
    cpu.rip = entry;
    cpu.rflags = 0x2;
    cpu.cr0 = 0x11; // PE, ET
    cpu.dr6 = 0xFFFF'0FF0;
    cpu.dr7 = 0x400;
    for (unsigned i{0}; i < segment_tr; ++i) {
        cpu.limit[i] = 0xFFFF'FFFF;
        cpu.access_rights[i] = i == segment_cs ? flat_code : flat_data;
    }
    cpu.limit[segment_tr] = 0x67;
    cpu.access_rights[segment_tr] = busy_tss;
    cpu.access_rights[segment_ldtr] = ldt;
    return cpu;
}

// A vCPU that was never up has no record: the header of the state that Xen gives, and records made here.
void start(Hypercalls& xen, std::uint16_t domain, const CpuState& cpu) {
    ControlRequest request{};
    request.context = {sizeof(whole_state), 0, reinterpret_cast<std::uint64_t>(whole_state)};
    xen.control("gethvmcontext"sv, Control::get_hvm_context, domain, request);
    __builtin_memcpy(&new_state, whole_state, sizeof(RecordHead) + sizeof(StateHeader));
    new_state.cpu_head = {record_cpu, 0, sizeof(CpuState)};
    new_state.cpu = cpu;
    new_state.mtrr_head = {record_mtrr, 0, sizeof(MtrrState)};
    fill_mtrr(new_state.mtrr);
    new_state.end_head = {record_end, 0, 0};
    request = {};
    request.context = {sizeof(new_state), 0, reinterpret_cast<std::uint64_t>(&new_state)};
    xen.control("sethvmcontext"sv, Control::set_hvm_context, domain, request);
    xen.control("unpausedomain"sv, Control::unpause, domain, std::uint64_t{0});
}

Ending ending_of(Hypercalls& xen, std::uint16_t domain) {
    ControlRequest request{};
    xen.control("getdomaininfo"sv, Control::information, domain, request);
    return {(request.information.flags & information_shutdown) != 0,
            request.information.flags >> shutdown_reason_shift & 0xFF};
}

} // namespace shadowtune::xen
