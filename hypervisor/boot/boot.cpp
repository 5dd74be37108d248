// From the boot loader to L1's first instruction.

#include "hypervisor/boot/archive.hpp"
#include "hypervisor/boot/bios.hpp"
#include "hypervisor/boot/give_up.hpp"
#include "hypervisor/boot/multiboot2.hpp"
#include "hypervisor/boot/processor_list.hpp"
#include "hypervisor/boot/processors.hpp"
#include "hypervisor/boot/profiles.hpp"
#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/l1/load.hpp"
#include "hypervisor/l1/module.hpp"
#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/run.hpp"
#include "hypervisor/nested/save.hpp"
#include "hypervisor/version.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/timings.hpp"
#include "link/frame.hpp"

#include <string_view>

namespace shadowtune {

namespace {

using memory::MemoryMap;
using memory::MemoryRange;

extern "C" {
extern std::uint8_t image_start[];
extern std::uint8_t image_end[];
using Constructor = void (*)();
extern const Constructor init_array_start[];
extern const Constructor init_array_end[];
void move_image(std::uint64_t to, const void* from, std::uint64_t bytes, std::uint64_t cr3);
void boot_main(std::uint32_t magic, std::uint32_t information, boot::Archive* archive);
}

constexpr std::uint64_t virtual_base{0xFFFF'FFFF'8000'0000};
// L0's region: the image, what all share, and for each vCPU its counters, stack, VMCSs and tables of EPT02.
constexpr std::uint64_t shared_size{22U << 20}, vcpu_size{2U << 20};
constexpr std::size_t spare_relocations{4}; // of local APICs, to pages of which nothing is protected yet

// Room for an object made late and never destroyed, without a constructor before main.
template <typename T>
class Static {
public:
    template <typename... Arguments>
    T& make(Arguments&&... arguments) {
        return *new (m_bytes) T{static_cast<Arguments&&>(arguments)...};
    }

private:
    alignas(T) std::uint8_t m_bytes[sizeof(T)];
};

boot::BootInfo boot_info;
MemoryMap machine_map;
MemoryMap l1_map;
boot::ProcessorList processors{{}, 1}; // without a list there is the one that boots
bool is_single{false};                 // for certain
cpu::Processor bootstrap_processor;
Static<memory::L0Memory> l0_place;
Static<nested::Machine> machine_place;
Static<shadow::Commands> commands_place;

// Good until the next call.
[[nodiscard]] const char* words_of(const boot::BootError& error) {
    static char text[boot::BootError::capacity + 1];
    __builtin_memcpy(text, error.text().data(), error.text().size());
    text[error.text().size()] = '\0';
    return text;
}

[[noreturn]] void cannot_start(const boot::BootError& error) {
    cpu::cannot_start(words_of(error));
}

[[nodiscard]] bool has_word(std::string_view line, std::string_view word) {
    for (std::size_t at{line.find(word)}; at != std::string_view::npos; at = line.find(word, at + 1)) {
        const bool starts{at == 0 || line[at - 1] == ' '};
        const std::size_t end{at + word.size()};
        if (starts && (end == line.size() || line[end] == ' ')) return true;
    }
    return false;
}

void read_boot_information(std::uint32_t magic, std::uint32_t information) {
    if (magic != boot::multiboot2_magic) {
        cpu::cannot_start("not booted by multiboot2; in grub.cfg use `multiboot2`, and `module2` for the L1");
    }
    const auto* const bytes{memory::at_physical<std::uint8_t>(information)};
    const std::uint32_t size{*memory::at_physical<std::uint32_t>(information)};
    if (const auto parsed{boot::parse_multiboot2({bytes, size}, boot_info)}; !parsed)
        cannot_start(parsed.error());
    // The lab wants to be powered off where a machine would be halted.
    if (has_word(boot_info.command_line(), "lab")) cpu::set_last_act(cpu::LastAct::bochs_power_off);
    auto map{boot::memory_map_of(boot_info)};
    if (!map) cannot_start(map.error());
    machine_map = map.value();
}

void check_processor(nested::Machine& machine) {
    constexpr std::uint32_t leaf1_ecx_vmx{1U << 5};
    if ((cpu::cpuid(1).ecx & leaf1_ecx_vmx) == 0) {
        cpu::cannot_start("this processor has no VMX; enable VT-x in the firmware, or use the lab");
    }
    machine.hardware_msrs = boot::read_capabilities();
    if (const char* const missing{nested::missing_capability(machine.hardware_msrs)}; missing != nullptr) {
        cpu::cannot_start(missing);
    }
}

[[nodiscard]] unsigned physical_width() {
    return cpu::cpuid(0x8000'0008).eax & 0xFF;
}

// The firmware's tables, which lie in no RAM, below the end of the first page tables' map.
[[nodiscard]] std::span<const std::uint8_t> access_acpi(void*, std::uint64_t address, std::uint64_t size) {
    if (address >= memory::four_gib || size > memory::four_gib - address) return {};
    return {memory::at_physical<const std::uint8_t>(address), size};
}

// A machine whose tables cannot be read is run with one processor, but then others may be there.
void find_processors() {
    constexpr std::uint32_t leaf1_edx_several_ids{1U << 28};
    const boot::AcpiMemory memory{&access_acpi, nullptr};
    const auto list{boot::list_processors(boot_info.old_rsdp(), boot_info.new_rsdp(), memory)};
    if (!list) {
        cpu::console_write("shadowtune: running on one processor: ");
        cpu::console_write(words_of(list.error()));
        cpu::console_write("\n");
        return;
    }
    processors = list.value();
    is_single = processors.count == 1 && processors.not_enabled == 0 && processors.too_many == 0 &&
                (cpu::cpuid(1).edx & leaf1_edx_several_ids) == 0;
}

// For each vCPU: with many processors fewer.
[[nodiscard]] std::size_t ept02_pages() {
    if (processors.count <= 2) return nested::Ept02::most_pages;
    return processors.count <= 8 ? 2048 : 512;
}

[[nodiscard]] std::uint64_t l0_region_size() {
    const std::uint64_t of_vcpu{vcpu_size + ept02_pages() * memory::page_size};
    return memory::align_up(shared_size + processors.count * of_vcpu, memory::large_page_size);
}

[[nodiscard]] std::uint64_t image_size() {
    return static_cast<std::uint64_t>(image_end - image_start);
}

// L0's memory behind the image, up to the archive.
[[nodiscard]] memory::L0Memory& take_region(MemoryRange region, std::uint64_t end) {
    const std::uint64_t pool{memory::align_up(region.begin + image_size(), memory::large_page_size)};
    return l0_place.make(region, MemoryRange{pool, end});
}

[[nodiscard]] std::uint64_t end_of_map() {
    constexpr std::uint64_t one_gib{1U << 30};
    const std::uint64_t top{memory::align_up(machine_map.top_of_memory(), one_gib)};
    return top < memory::four_gib ? memory::four_gib : top;
}

// Started anew, L0 stays where it is: L1's memory is all around it.
[[nodiscard]] memory::L0Memory& settle_again(boot::Archive& archive) {
    boot::use_archive(&archive);
    is_single = archive.is_single != 0;
    processors.count = archive.listed;
    auto& l0{take_region({archive.region_begin, archive.region_end}, archive.begin)};
    cpu::write_cr3(memory::build_page_tables(l0, reinterpret_cast<std::uint64_t>(image_start), image_size(),
                                             end_of_map()));
    return l0;
}

// L0's region, and the running image moved to its front. Pointers into the image stay good: only what lies
// behind its virtual addresses changes.
[[nodiscard]] memory::L0Memory& settle_in_memory(std::uint32_t magic, std::uint32_t information) {
    static MemoryRange occupied[boot::max_modules + 2];
    std::size_t count{0};
    for (const auto& module : boot_info.modules())
        occupied[count++] = module.range;
    const std::uint64_t loaded_at{reinterpret_cast<std::uint64_t>(image_start) - virtual_base};
    occupied[count++] = memory::range_of(loaded_at, image_size());
    occupied[count++] = memory::range_of(information, *memory::at_physical<std::uint32_t>(information));
    const auto region{memory::choose_l0_region(machine_map, {occupied, count}, l0_region_size())};
    if (!region) {
        cannot_start(boot::BootError::of("no free ", l0_region_size() >> 20,
                                         " MiB of memory below 4 GiB for L0; give the machine more memory "
                                         "(--memory)"));
    }
    boot::make_archive({region.value(), magic, information});
    boot::archive()->is_single = is_single ? 1 : 0;
    boot::archive()->listed = processors.count;
    auto& l0{take_region(region.value(), region.value().end - boot::archive_bytes(information))};
    const std::uint64_t cr3{memory::build_page_tables(l0, reinterpret_cast<std::uint64_t>(image_start),
                                                      image_size(), end_of_map())};
    move_image(region.value().begin, image_start, image_size(), cr3);
    return l0;
}

// The ports and MSRs that L0 must see, whoever touches them.
void make_bitmaps(nested::Machine& machine) {
    auto* const msrs{machine.l0.take<nested::BitmapWords>()};
    auto* const io_a{machine.l0.take<nested::BitmapWords>()};
    auto* const io_b{machine.l0.take<nested::BitmapWords>()};
    auto* const ones{machine.l0.take<nested::BitmapWords>()};
    for (auto& word : ones->words)
        word = ~std::uint64_t{0};
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        nested::claim_msr(*msrs, vmcs::first_capability_msr + i, true, true);
    }
    nested::claim_msr(*msrs, cpu::msr::feature_control, true, true);
    nested::claim_msr(*msrs, cpu::msr::apic_base, false, true);
    constexpr std::uint32_t leaf1_ecx_x2apic{1U << 21};
    if (machine.intercepts_ipis && (cpu::cpuid(1).ecx & leaf1_ecx_x2apic) != 0)
        nested::claim_msr(*msrs, devices::x2apic_icr_msr, false, true);
    // Only those that this processor has: each word of the page that L0 asks for is compared at each entry of
    // L2.
    constexpr std::uint32_t leaf1_edx_ds{1U << 21}, leaf7_ebx_trace{1U << 25}, leaf6_eax_feedback{1U << 19};
    const std::uint32_t last_leaf{cpu::cpuid(0).eax};
    const bool has_ds{(cpu::cpuid(1).edx & leaf1_edx_ds) != 0};
    const bool has_trace{last_leaf >= 7 && (cpu::cpuid(7).ebx & leaf7_ebx_trace) != 0};
    const bool has_feedback{last_leaf >= 6 && (cpu::cpuid(6).eax & leaf6_eax_feedback) != 0};
    if (has_ds) nested::claim_msr(*msrs, cpu::msr::ds_area, true, true);
    if (has_ds) nested::claim_msr(*msrs, cpu::msr::pebs_enable, true, true);
    if (has_feedback) nested::claim_msr(*msrs, cpu::msr::hardware_feedback, true, true);
    for (std::uint32_t number{cpu::msr::first_rtit}; has_trace && number <= cpu::msr::last_rtit; ++number) {
        nested::claim_msr(*msrs, number, true, true);
    }
    nested::claim_ports(*io_a, *io_b, devices::com2_base, devices::com2_base + devices::uart_ports - 1);
    for (const std::uint16_t port : {devices::A20Gate::keyboard_data, devices::A20Gate::keyboard_command,
                                     devices::A20Gate::system_control})
        nested::claim_ports(*io_a, *io_b, port, port);
    if (!machine.msr_bitmap.set(msrs) || !machine.io_bitmap_a.set(io_a) || !machine.io_bitmap_b.set(io_b))
        cpu::panic("more bitmap words than L0 can compare");
    machine.all_ones = ones;
}

// Which fields the processor has is what VMREAD says, on a VMCS made for the question.
void find_fields(nested::Machine& machine) {
    vmx::Hardware hardware{};
    const std::uint64_t region{machine.l0.take_pages(1)};
    *memory::at_physical<std::uint32_t>(region) =
        static_cast<std::uint32_t>(machine.hardware_msrs[vmx::msr::vmx_basic] & vmx::basic::revision_mask);
    hardware.clear(region);
    hardware.make_current(region);
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        if (hardware.has(vmcs::catalogue[i].encoding)) {
            machine.physical_fields.set(static_cast<vmcs::FieldIndex>(i));
        }
    }
    hardware.clear(region);
    machine.offered_msrs = nested::offered_msrs(machine.hardware_msrs, nested::vmcs12_revision);
    machine.offered_fields = nested::offered_fields(machine.physical_fields, machine.offered_msrs);
    machine.offered_encodings.make(machine.offered_fields);
    nested::set_highest_index(machine.offered_msrs, machine.offered_fields);
}

[[nodiscard]] std::span<std::uint8_t> access_ram(void*, std::uint64_t address, std::uint64_t size) {
    if (!l1_map.is_ram(memory::range_of(address, size))) return {};
    return {memory::at_physical<std::uint8_t>(address), size};
}

void start_bitmaps(nested::Machine& machine) {
    const vmcs::ProfileTarget target{machine.offered_fields, (machine.offered_msrs[vmx::msr::vmx_misc] &
                                                              vmx::misc::vmwrite_any_field) != 0};
    machine.generations.start(machine.l0.take_pages(shadow::Generations::pages_needed), target);
    machine.library = machine.l0.take<shadow::Library>();
}

void identify_l1(nested::Machine& machine, const l1::L1Entry& entry) {
    switch (entry.kind) {
    case l1::L1Kind::linux_kernel: machine.l1_kind = link::L1Kind::linux_bzimage; break;
    case l1::L1Kind::multiboot1: machine.l1_kind = link::L1Kind::multiboot1; break;
    case l1::L1Kind::multiboot2: machine.l1_kind = link::L1Kind::multiboot2; break;
    case l1::L1Kind::bios_disk: machine.l1_kind = link::L1Kind::bios_disk; break;
    }
    constexpr std::size_t room{sizeof(machine.l1_name) - 1};
    for (std::size_t i{0}; i < room && entry.name[i] != '\0'; ++i)
        machine.l1_name[i] = entry.name[i];
}

// What L1 gets of the machine, and which boot of L0 this is.
void make_l1_machine(nested::Machine& machine) {
    l1_map = machine_map;
    if (!l1_map.reserve(machine.l0.region()))
        cpu::cannot_start("the memory map has too many regions to reserve L0's in it");
    machine.l1_map = &l1_map;
    for (const auto& region : l1_map.regions()) {
        if (region.type == memory::MemoryType::ram) machine.l1_memory_bytes += region.range.size();
    }
    machine.boot_id = cpu::rdtsc() ^ std::uint64_t{link::crc32c({image_start, image_size()})} << 32;
}

[[nodiscard]] nested::Machine& make_machine(memory::L0Memory& l0, std::uint64_t mapped_end) {
    const std::uint64_t sink{l0.take_pages(1)};
    __builtin_memset(memory::at_physical<void>(sink), 0xFF, memory::page_size);
    memory::L1Memory l1{l0, sink, mapped_end};
    boot::put_bios_rom(l1, l0, machine_map);
    auto& machine{machine_place.make(l0, l1, machine_map)};
    check_processor(machine);
    const bool one_gib{(machine.hardware_msrs[vmx::msr::vmx_ept_vpid_cap] & vmx::ept_vpid_cap::pages_1g) !=
                       0};
    machine.eptp01 = memory::build_ept01(l0, machine.l1, machine_map, physical_width(), one_gib);
    const std::size_t spare{memory::Ept01Pages::most_for_one * (processors.count + spare_relocations)};
    machine.ept01_pages = {machine.eptp01, l0.take_pages(spare), spare};
    machine.ept02_pages = ept02_pages();
    return machine;
}

[[nodiscard]] l1::L1Entry load_from_modules(nested::Machine& machine) {
    const l1::PhysicalMemory ram{&access_ram, nullptr};
    const auto modules{l1::sort_modules(boot_info, ram)};
    if (!modules) cannot_start(modules.error());
    boot::take_profiles(machine, modules.value().profile_images());
    if (modules.value().kind == l1::L1Kind::bios_disk && machine.l1.rom_page() == memory::L1Memory::no_rom)
        cpu::cannot_start(boot::no_place_for_rom);
    const auto entry{l1::load_l1({l1_map, ram, boot_info, modules.value()})};
    if (!entry) cannot_start(entry.error());
    identify_l1(machine, entry.value());
    return entry.value();
}

extern "C" void boot_main(std::uint32_t magic, std::uint32_t information, boot::Archive* archive) {
    for (const Constructor* f{init_array_start}; f != init_array_end; ++f)
        (*f)();
    cpu::load_descriptors(bootstrap_processor);
    cpu::join_running();
    read_boot_information(magic, information);
    if (archive == nullptr) find_processors();
    memory::L0Memory& l0{archive != nullptr ? settle_again(*archive) : settle_in_memory(magic, information)};

    nested::Machine& machine{make_machine(l0, end_of_map())};
    machine.intercepts_ipis = !is_single;
    make_bitmaps(machine);
    const std::uint64_t feature_control{boot::allow_vmx()};
    boot::enter_vmx_operation(machine);
    find_fields(machine);
    machine.processor = boot::read_processor_facts();
    make_l1_machine(machine);
    start_bitmaps(machine);
    const l1::L1Entry entry{archive != nullptr ? l1::L1Entry{} : load_from_modules(machine)};
    if (const auto done{boot::take_int15_over(machine.l1, l1_map, *boot::archive(), archive != nullptr)};
        !done)
        cannot_start(done.error());

    if (!machine.link.start()) cpu::console_write("shadowtune: no UART at COM2: running without a link\n");
    nested::Vcpu& vcpu{*nested::make_vcpu(machine, *l0.take<vmx::ExitStack>(), feature_control)};
    if (archive != nullptr) {
        boot::call_parked_processors(machine, *archive, cpu::read_cr3());
    } else {
        boot::start_other_processors(machine, processors, cpu::read_cr3());
    }
    nested::prepare_l1(vcpu, entry);
    if (archive == nullptr) {
        const auto revision{machine.hardware_msrs[vmx::msr::vmx_basic] & vmx::basic::revision_mask};
        machine.timings = vmx::measure_timings(vcpu.hardware, vcpu.vmcs01.region, vcpu.shadow_region,
                                               static_cast<std::uint32_t>(revision));
    }

    auto& commands{commands_place.make(machine, &boot::give_up)};
    commands.greet(0);
    if (archive != nullptr) commands.await_l1(vcpu, static_cast<std::uint32_t>(archive->awaited_crc));
    nested::run_bootstrap_processor(vcpu, commands);
}

} // namespace

} // namespace shadowtune
