#include "hypervisor/boot/processors.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/devices/local_apic.hpp"
#include "hypervisor/nested/run.hpp"
#include "hypervisor/vmx/controls.hpp"

#include <atomic>

namespace shadowtune::boot {

namespace {

extern "C" {
extern const std::uint8_t ap_start[];
extern const std::uint8_t ap_start_data[];
extern const std::uint8_t ap_start_end[];
}

constexpr std::uint64_t feature_locked{1U << 0}, feature_vmx_outside_smx{1U << 2};
constexpr std::uint64_t one_mib{1U << 20};
constexpr std::uint32_t last_xapic_id{0xFE};

// The end of ap_start.S.
struct [[gnu::packed]] StartData {
    std::uint64_t cr3, stack, argument, entry;
    std::uint16_t gdt_limit;
    std::uint32_t gdt_base;
    std::uint32_t far_offset;
    std::uint16_t far_selector;
};

// How far a processor has come that is being started; one at a time.
enum class Stage : std::uint32_t { sent_for, alive, ready };

struct Start {
    nested::Machine& machine;
    cpu::Processor& processor;
    vmx::ExitStack& stack;
    std::uint32_t apic_id;
    std::atomic<Stage> stage{Stage::sent_for};
};

// Waits by the pace of the link's UART: what a TSC tick is, few processors tell.
class Clock {
public:
    explicit Clock(const nested::Machine& machine) : m_millisecond{machine.link.longest_interval()} {}

    // Until `done` or the time is over; true where done.
    template <typename Done>
    [[nodiscard]] bool wait(std::uint64_t milliseconds, Done&& done) const {
        const std::uint64_t start{cpu::rdtsc()};
        while (!done()) {
            if (cpu::rdtsc() - start > milliseconds * m_millisecond) return false;
            if (cpu::is_stopping()) cpu::stop_here();
            asm volatile("pause");
        }
        return true;
    }
    void wait(std::uint64_t milliseconds) const {
        static_cast<void>(wait(milliseconds, [] { return false; }));
    }

private:
    std::uint64_t m_millisecond; // roughly
};

[[noreturn]] void ap_main(Start* start) {
    nested::Machine& machine{start->machine};
    vmx::ExitStack& stack{start->stack};
    cpu::load_descriptors(start->processor);
    cpu::join_running();
    start->stage = Stage::alive;
    const std::uint64_t feature_control{allow_vmx()};
    const vmcs::CapabilityMsrs capabilities{read_capabilities()};
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        if (capabilities.values[i] != machine.hardware_msrs.values[i])
            cpu::cannot_start("the processors differ in their VMX capabilities; use one kind only");
    }
    enter_vmx_operation(machine);
    nested::Vcpu& vcpu{*nested::make_vcpu(machine, stack, feature_control)};
    start->stage = Stage::ready;
    nested::run_application_processor(vcpu);
}

// The page that a start-up IPI can name, while it holds our code; what lay there comes back afterwards.
class StartPage {
public:
    StartPage(nested::Machine& machine, std::uint64_t page)
        : m_page{page}, m_saved{memory::at_physical<std::uint8_t>(machine.l0.take_pages(1))} {
        __builtin_memcpy(m_saved, here(), memory::page_size);
        __builtin_memcpy(here(), ap_start, static_cast<std::size_t>(ap_start_end - ap_start));
        auto& data{*reinterpret_cast<StartData*>(here() + (ap_start_data - ap_start))};
        data.gdt_base += static_cast<std::uint32_t>(page);
        data.far_offset += static_cast<std::uint32_t>(page);
    }
    StartPage(const StartPage&) = delete;
    StartPage& operator=(const StartPage&) = delete;
    ~StartPage() { __builtin_memcpy(here(), m_saved, memory::page_size); }

    void prepare(Start& start, std::uint64_t cr3) const {
        auto& data{*reinterpret_cast<StartData*>(here() + (ap_start_data - ap_start))};
        data.cr3 = cr3;
        data.stack = reinterpret_cast<std::uint64_t>(&start.stack.vcpu);
        data.argument = reinterpret_cast<std::uint64_t>(&start);
        data.entry = reinterpret_cast<std::uint64_t>(&ap_main);
    }
    [[nodiscard]] std::uint8_t vector() const { return static_cast<std::uint8_t>(m_page >> 12); }

private:
    [[nodiscard]] std::uint8_t* here() const { return memory::at_physical<std::uint8_t>(m_page); }

    std::uint64_t m_page;
    std::uint8_t* m_saved;
};

// It fills memory with zeroes first, which takes its time where the lab's instructions are slow (--ips).
void await_ready(const Clock& clock, const Start& start) {
    if (!clock.wait(10'000, [&] { return start.stage.load() == Stage::ready; }))
        cpu::panic("a processor stopped on its way into VMX operation; number", start.apic_id);
}

// SDM Vol. 3A, 9.4.4.1: INIT, 10 ms, start-up IPI, and a second one where the first brought nothing.
[[nodiscard]] bool bring_up(const devices::LocalApic& apic, const Clock& clock, const Start& start,
                            std::uint8_t vector) {
    const auto is_alive{[&] { return start.stage.load() != Stage::sent_for; }};
    apic.send_init(start.apic_id);
    clock.wait(10);
    apic.send_startup(start.apic_id, vector);
    if (!clock.wait(1, is_alive)) apic.send_startup(start.apic_id, vector);
    if (!clock.wait(200, is_alive)) {
        // Back to where it cannot come up later, when the page is no longer ours.
        apic.send_init(start.apic_id);
        clock.wait(10);
        return false;
    }
    await_ready(clock, start);
    return true;
}

void say_missing(std::uint32_t apic_id) {
    cpu::console_write("shadowtune: the processor with APIC id ");
    cpu::console_write_hex(apic_id);
    cpu::console_write(" does not start: L1 runs without it\n");
}

} // namespace

std::uint64_t allow_vmx() {
    const std::uint64_t as_found{cpu::rdmsr(cpu::msr::feature_control)};
    std::uint64_t value{as_found};
    if ((value & feature_locked) == 0) {
        value |= feature_locked | feature_vmx_outside_smx;
        cpu::wrmsr(cpu::msr::feature_control, value);
    }
    if ((value & feature_vmx_outside_smx) == 0) {
        cpu::cannot_start(
            "the firmware has locked VMX off (IA32_FEATURE_CONTROL); enable VT-x in its set-up");
    }
    return as_found;
}

vmcs::CapabilityMsrs read_capabilities() {
    vmcs::CapabilityMsrs msrs{};
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        std::uint64_t value{};
        if (cpu::try_rdmsr(vmcs::first_capability_msr + i, value)) msrs.values[i] = value;
    }
    return msrs;
}

nested::ProcessorFacts read_processor_facts() {
    nested::ProcessorFacts facts{};
    const cpu::CpuidResult widths{cpu::cpuid(0x8000'0008)}, features{cpu::cpuid(7)};
    facts.physical_address_bits = widths.eax & 0xFF;
    facts.linear_address_bits = widths.eax >> 8 & 0xFF;
    facts.has_1gib_pages = (cpu::cpuid(0x8000'0001).edx >> 26 & 1) != 0;
    facts.has_sgx = (features.ebx >> 2 & 1) != 0;
    facts.has_rtm = (features.ebx >> 11 & 1) != 0;
    facts.has_bus_lock_debug = (features.ecx >> 24 & 1) != 0;
    constexpr std::uint64_t debugctl_bus_lock_detect{1U << 2}; // Vol. 3B, 18.3.1.6
    if (facts.has_bus_lock_debug) facts.debugctl_bits |= debugctl_bus_lock_detect;
    return facts;
}

void enter_vmx_operation(nested::Machine& machine) {
    constexpr std::uint32_t leaf1_ecx_xsave{1U << 26};
    const bool xsave{(cpu::cpuid(1).ecx & leaf1_ecx_xsave) != 0};
    cpu::write_cr0(cpu::read_cr0() | cpu::cr0::ne);
    cpu::write_cr4(cpu::read_cr4() | cpu::cr4::vmxe | (xsave ? cpu::cr4::osxsave : 0));
    const std::uint64_t region{machine.l0.take_pages(1)};
    *memory::at_physical<std::uint32_t>(region) =
        static_cast<std::uint32_t>(machine.hardware_msrs[vmx::msr::vmx_basic] & vmx::basic::revision_mask);
    if (!vmx::vmxon(region)) cpu::panic("VMXON failed; region", region);
}

void start_other_processors(nested::Machine& machine, const ProcessorList& list, std::uint64_t cr3) {
    if (list.count < 2) return;
    const memory::RoomDemand demand{memory::page_size, memory::page_size, {memory::page_size, one_mib}, true};
    const auto place{memory::find_room(machine.map, {}, demand)};
    if (!place) {
        cpu::cannot_start("no RAM below 1 MiB to start the other processors from; the firmware's memory map "
                          "must have some");
    }
    const devices::LocalApic apic{};
    const Clock clock{machine};
    const StartPage page{machine, place.value().begin};
    for (std::size_t i{0}; i < list.count; ++i) {
        const std::uint32_t id{list.apic_ids[i]};
        if (id == apic.id()) continue;
        if (id > last_xapic_id && apic.mode() != devices::ApicMode::x2apic) {
            say_missing(id);
            continue;
        }
        Start start{machine, *machine.l0.take<cpu::Processor>(), *machine.l0.take<vmx::ExitStack>(), id};
        page.prepare(start, cr3);
        if (!bring_up(apic, clock, start, page.vector())) say_missing(start.apic_id);
    }
}

void call_parked_processors(nested::Machine& machine, Archive& archive, std::uint64_t cr3) {
    const Clock clock{machine};
    for (std::uint64_t number{1}; number <= archive.parked; ++number) {
        Start start{machine, *machine.l0.take<cpu::Processor>(), *machine.l0.take<vmx::ExitStack>(),
                    static_cast<std::uint32_t>(number)};
        archive.called_cr3 = cr3;
        archive.called_stack = reinterpret_cast<std::uint64_t>(&start.stack.vcpu);
        archive.called_argument = reinterpret_cast<std::uint64_t>(&start);
        archive.called_entry = reinterpret_cast<std::uint64_t>(&ap_main);
        archive.called = number;
        await_ready(clock, start);
    }
}

} // namespace shadowtune::boot
