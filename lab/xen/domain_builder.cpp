#include "lab/xen/domain_builder.hpp"

#include "lab/xen/interface.hpp"

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

extern "C" {
extern const std::uint8_t domain_image[];
extern const std::uint8_t domain_image_end[];
extern const std::uint8_t domain_result[];
}

constexpr std::uint64_t page_size{4096};
constexpr std::uint64_t load_address{0x10'0000};
constexpr std::uint64_t frame_count{16};
constexpr std::uint64_t paging_pool_bytes{1U << 20};
constexpr std::uint64_t max_memory_kib{1024};
constexpr std::uint64_t state_capacity{16384};

// A page of dom0's own address space, behind which the domain's image appears.
alignas(page_size) std::uint8_t window[page_size];
std::uint8_t whole_state[state_capacity];

struct NewState {
    RecordHead header_head;
    StateHeader header;
    RecordHead cpu_head;
    CpuState cpu;
    RecordHead end_head;
};
NewState new_state;

// The two hypercalls that everything here is made of; the first refusal ends the work.
class Builder {
public:
    [[nodiscard]] const Refusal& refusal() const { return m_refusal; }

    void control(std::string_view step, Control command, std::uint16_t domain, ControlRequest& request) {
        request.command = command;
        request.version = control_version;
        request.domain = domain;
        call_xen(step, call::domain_control, reinterpret_cast<std::uint64_t>(&request));
    }
    void control(std::string_view step, Control command, std::uint16_t domain, std::uint64_t number) {
        ControlRequest request{};
        request.number = number;
        control(step, command, domain, request);
    }
    void call_xen(std::string_view step, unsigned long number, unsigned long a, unsigned long b = 0,
                  unsigned long c = 0, unsigned long d = 0) {
        if (!m_refusal.step.empty()) return;
        const long result{hypercall(number, a, b, c, d)};
        if (result < 0) m_refusal = {step, result};
    }

private:
    Refusal m_refusal{};
};

[[nodiscard]] std::uint16_t create(Builder& builder) {
    ControlRequest request{};
    request.create.flags = create_hvm | create_hap;
    request.create.max_vcpus = 1;
    request.create.max_event_channel = 1023;
    request.create.max_grant_frames = -1; // Xen's own default
    request.create.max_maptrack_frames = -1;
    request.create.grant_version = 1;
    request.create.emulation_flags = emulate_local_apic;
    builder.control("createdomain"sv, Control::create, 0, request);
    return request.domain;
}

void give_memory(Builder& builder, std::uint16_t domain) {
    builder.control("set_paging_mempool_size"sv, Control::set_paging_pool, domain, paging_pool_bytes);
    builder.control("max_mem"sv, Control::max_memory, domain, max_memory_kib);
    std::uint64_t frames[frame_count];
    for (std::uint64_t i{0}; i < frame_count; ++i)
        frames[i] = load_address / page_size + i;
    const MemoryReservation reservation{reinterpret_cast<std::uint64_t>(frames), frame_count, 0, 0, domain};
    builder.call_xen("populate_physmap"sv, call::memory, populate_physmap,
                     reinterpret_cast<std::uint64_t>(&reservation));
}

void load_image(Builder& builder, std::uint16_t domain) {
    constexpr std::uint64_t present_writable_user{0x7};
    builder.call_xen("update_va_mapping_otherdomain"sv, call::map_foreign_page,
                     reinterpret_cast<std::uint64_t>(window), load_address | present_writable_user,
                     flush_one_page, domain);
    if (!builder.refusal().step.empty()) return;
    __builtin_memcpy(window, domain_image, static_cast<std::size_t>(domain_image_end - domain_image));
}

void fill_cpu(CpuState& cpu, std::uint32_t round_trips) {
    constexpr std::uint32_t flat_code{0xC9B}, flat_data{0xC93}, busy_tss{0x8B}, ldt{0x82};
    cpu.rip = load_address;
    cpu.rsp = load_address + frame_count * page_size;
    cpu.rbx = round_trips;
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
}

// A vCPU that was never up has no record: the header of the state that Xen gives, and a record made here.
void set_vcpu(Builder& builder, std::uint16_t domain, std::uint32_t round_trips) {
    ControlRequest request{};
    request.context = {sizeof(whole_state), 0, reinterpret_cast<std::uint64_t>(whole_state)};
    builder.control("gethvmcontext"sv, Control::get_hvm_context, domain, request);
    __builtin_memcpy(&new_state, whole_state, sizeof(RecordHead) + sizeof(StateHeader));
    new_state.cpu_head = {record_cpu, 0, sizeof(CpuState)};
    fill_cpu(new_state.cpu, round_trips);
    new_state.end_head = {record_end, 0, 0};
    request = {};
    request.context = {sizeof(new_state), 0, reinterpret_cast<std::uint64_t>(&new_state)};
    builder.control("sethvmcontext"sv, Control::set_hvm_context, domain, request);
}

} // namespace

Refusal start_domain(std::uint32_t round_trips, std::uint16_t& domain) {
    Builder builder;
    domain = create(builder);
    builder.control("max_vcpus"sv, Control::max_vcpus, domain, 1);
    give_memory(builder, domain);
    load_image(builder, domain);
    set_vcpu(builder, domain, round_trips);
    builder.control("unpausedomain"sv, Control::unpause, domain, std::uint64_t{0});
    return builder.refusal();
}

std::uint32_t result_of_domain() {
    std::uint32_t result{};
    __builtin_memcpy(&result, window + (domain_result - domain_image), sizeof(result));
    return result;
}

Refusal wait_for_end(std::uint16_t domain, unsigned& reason) {
    Builder builder;
    while (builder.refusal().step.empty()) {
        ControlRequest request{};
        builder.control("getdomaininfo"sv, Control::information, domain, request);
        if ((request.information.flags & information_shutdown) != 0) {
            reason = request.information.flags >> shutdown_reason_shift & 0xFF;
            break;
        }
        builder.call_xen("yield"sv, call::scheduler, scheduler_yield, 0);
    }
    return builder.refusal();
}

} // namespace shadowtune::xen
