#include "lab/xen/linux_domain.hpp"

#include "lab/xen/acpi_tables.hpp"
#include "lab/xen/domain.hpp"
#include "lab/xen/pvh.hpp"
#include "lab/xen/words.hpp"

#include <algorithm>
#include <cstddef>

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

constexpr std::uint64_t mib{1U << 20}, large_page{2 * mib};
constexpr unsigned large_order{9};

// Below 1 MiB: what the kernel is told, the tables, and no memory from there on.
constexpr std::uint64_t start_address{0x9'E000}, tables_address{0x9'F000}, hole{0xA'0000};
// Beside the domain's memory, where Xen's own tools have it.
constexpr std::uint64_t console_address{0xFEFF'C000};

struct StartPage {
    PvhStart start;
    PvhModule initramfs;
    PvhMemory memory[3];
    char command_line[2048];
};
static_assert(sizeof(StartPage) <= page_size);

struct Layout {
    std::uint64_t kernel_at, entry, kernel_bytes, initramfs_at, initramfs_bytes;
};

[[nodiscard]] constexpr std::uint64_t round_up(std::uint64_t number, std::uint64_t to) {
    return (number + to - 1) / to * to;
}

// All numbers are 0 where the module is not what it should be, or does not fit.
[[nodiscard]] Layout layout_of(std::span<const std::uint8_t> module, std::uint64_t memory) {
    if (module.size() < page_size) return {};
    const std::string_view head{reinterpret_cast<const char*>(module.data()), page_size};
    Layout layout{number_of(head, "at="sv, 0), number_of(head, "entry="sv, 0),
                  number_of(head, "kernel="sv, 0), 0, number_of(head, "initramfs="sv, 0)};
    layout.initramfs_at = round_up(layout.kernel_at + layout.kernel_bytes, large_page);
    const bool is_there{layout.kernel_at >= mib && layout.kernel_at % page_size == 0 &&
                        layout.kernel_bytes <= module.size() && layout.initramfs_bytes <= module.size() &&
                        2 * page_size <= module.size() &&
                        page_size + round_up(layout.kernel_bytes, page_size) + layout.initramfs_bytes <=
                            module.size()};
    const bool fits{layout.kernel_at <= memory && layout.initramfs_at + layout.initramfs_bytes <= memory};
    return is_there && fits ? layout : Layout{};
}

void write_start(Hypercalls& xen, std::uint16_t domain, const Layout& layout, std::uint64_t memory,
                 std::string_view command_line) {
    static StartPage page;
    page = {};
    const auto place{[](std::size_t offset) { return start_address + offset; }};
    page.start = {pvh_magic,
                  pvh_version,
                  0,
                  1,
                  place(offsetof(StartPage, initramfs)),
                  place(offsetof(StartPage, command_line)),
                  tables_address,
                  place(offsetof(StartPage, memory)),
                  std::size(page.memory),
                  0};
    page.initramfs = {layout.initramfs_at, layout.initramfs_bytes, 0, 0};
    page.memory[0] = {0, tables_address, memory_usable, 0};
    page.memory[1] = {tables_address, hole - tables_address, memory_of_acpi, 0};
    page.memory[2] = {mib, memory - mib, memory_usable, 0};
    __builtin_memcpy(page.command_line, command_line.data(),
                     std::min(command_line.size(), sizeof(page.command_line) - 1));
    write_memory(xen, domain, start_address, &page, sizeof(page));
    const AcpiTables tables{make_acpi_tables(tables_address)};
    write_memory(xen, domain, tables_address, tables.bytes, sizeof(tables.bytes));
}

// The page that a Linux takes for its console, and a channel by which dom0 is told of what is in it: the
// domain's port.
[[nodiscard]] std::uint32_t give_console(Hypercalls& xen, std::uint16_t domain) {
    give_memory(xen, domain, console_address, 1, 0);
    const char nothing{0};
    write_memory(xen, domain, console_address, &nothing, sizeof(nothing));
    UnboundChannel channel{domain, 0, 0};
    xen.call_xen("alloc_unbound"sv, call::event_channel, allocate_unbound,
                 reinterpret_cast<std::uint64_t>(&channel));
    for (const DomainParameter& parameter :
         {DomainParameter{domain, 0, parameter_console_page, console_address / page_size},
          DomainParameter{domain, 0, parameter_console_channel, channel.port}}) {
        xen.call_xen("set_param"sv, call::hardware_virtualised, set_parameter,
                     reinterpret_cast<std::uint64_t>(&parameter));
    }
    return channel.port;
}

} // namespace

LinuxDomain start_linux(Hypercalls& xen, std::span<const std::uint8_t> module, std::uint64_t memory_mib,
                        std::string_view command_line) {
    constexpr std::uint64_t paging_pool_bytes{2 * mib}, room_for_xen_kib{1024};
    const std::uint64_t memory{round_up(memory_mib * mib, large_page)};
    const Layout layout{layout_of(module, memory)};
    if (layout.entry == 0) {
        xen.refuse("the module is no Linux, or larger than the domain's memory: see memory=N"sv);
        return {};
    }
    const std::uint16_t domain{create_domain(xen, memory / 1024 + room_for_xen_kib, paging_pool_bytes)};
    give_memory(xen, domain, 0, memory / large_page, large_order);
    const std::uint8_t* kernel{module.data() + page_size};
    write_memory(xen, domain, layout.kernel_at, kernel, layout.kernel_bytes);
    write_memory(xen, domain, layout.initramfs_at, kernel + round_up(layout.kernel_bytes, page_size),
                 layout.initramfs_bytes);
    write_start(xen, domain, layout, memory, command_line);
    const std::uint32_t console_port{give_console(xen, domain)};
    CpuState cpu{flat_cpu(layout.entry)};
    cpu.rbx = start_address;
    start(xen, domain, cpu);
    return {domain, console_address, console_port};
}

} // namespace shadowtune::xen
