#include "hypervisor/l1/multiboot_info.hpp"

#include <algorithm>

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not

// An L1 reads its command lines by the habits of the loader that it is told of: Xen drops the first word
// where that is not GRUB 2. The lines come from the machine's own loader, and so does the name.
std::string_view loader_name(const boot::BootInfo& info) {
    return info.loader_name().empty() ? "shadowtune"sv : info.loader_name();
}

constexpr std::uint64_t one_mib{0x10'0000};

// KiB of RAM from 0, at most 640; KiB from 1 MiB to the first hole.
struct BasicMemory {
    std::uint32_t lower{0};
    std::uint32_t upper{0};
};

BasicMemory basic_memory(const memory::MemoryMap& map) {
    BasicMemory basic;
    for (const memory::MemoryRegion& region : map.regions()) {
        if (region.type != memory::MemoryType::ram) continue;
        const auto kib_from = [&](std::uint64_t begin, std::uint64_t limit) -> std::uint32_t {
            if (region.range.begin > begin || region.range.end <= begin) return 0;
            return static_cast<std::uint32_t>((std::min(region.range.end, limit) - begin) / 1024);
        };
        basic.lower = std::max(basic.lower, kib_from(0, 0xa'0000));
        basic.upper = std::max(basic.upper, kib_from(one_mib, memory::four_gib));
    }
    return basic;
}

// The VGA's text screen, in the layout that both versions share up to the type.
void write_screen(boot::ByteWriter& writer) {
    constexpr std::uint8_t ega_text{2};
    writer.u64(0xb'8000); // address
    writer.u32(160);      // bytes of a line
    writer.u32(80);       // columns
    writer.u32(25);       // lines
    writer.u8(16);        // bits of a character
    writer.u8(ega_text);
}

} // namespace

void write_multiboot1_info(boot::ByteWriter& writer, std::uint32_t address, const MultibootFacts& facts) {
    constexpr std::uint32_t has_memory{1U << 0};
    constexpr std::uint32_t has_command_line{1U << 2};
    constexpr std::uint32_t has_modules{1U << 3};
    constexpr std::uint32_t has_memory_map{1U << 6};
    constexpr std::uint32_t has_loader_name{1U << 9};
    constexpr std::uint32_t has_framebuffer{1U << 12};
    constexpr std::size_t head_size{116};
    constexpr std::size_t screen_offset{88};
    const auto here = [&] { return address + static_cast<std::uint32_t>(writer.position()); };

    const auto basic = basic_memory(facts.map);
    writer.u32(has_memory | has_command_line | has_modules | has_memory_map | has_loader_name |
               (facts.video ? has_framebuffer : 0));
    writer.u32(basic.lower);
    writer.u32(basic.upper);
    writer.zeros(screen_offset - writer.position());
    if (facts.video) write_screen(writer);
    writer.zeros(head_size - writer.position());

    writer.patch_u32(20, static_cast<std::uint32_t>(facts.modules.size()));
    writer.patch_u32(24, here());
    const std::size_t modules{writer.position()};
    for (const PlacedModule& module : facts.modules) {
        writer.u32(static_cast<std::uint32_t>(module.range.begin));
        writer.u32(static_cast<std::uint32_t>(module.range.end));
        writer.u64(0); // string, below; reserved
    }

    writer.patch_u32(48, here());
    const std::size_t map{writer.position()};
    for (const memory::MemoryRegion& region : facts.map.regions()) {
        writer.u32(20); // size of the rest
        writer.u64(region.range.begin);
        writer.u64(region.range.size());
        writer.u32(static_cast<std::uint32_t>(region.type));
    }
    writer.patch_u32(44, static_cast<std::uint32_t>(writer.position() - map));

    writer.patch_u32(16, here());
    writer.text(facts.command_line);
    writer.patch_u32(64, here());
    writer.text(loader_name(facts.info));
    for (std::size_t i{0}; i < facts.modules.size(); ++i) {
        writer.patch_u32(modules + i * 16 + 8, here());
        writer.text(facts.modules[i].text);
    }
}

void write_multiboot2_info(boot::ByteWriter& writer, const MultibootFacts& facts) {
    // Each tag: type, size without padding, body; the next begins at a multiple of 8.
    const auto tag = [&](std::uint32_t type, const auto& body) {
        writer.align(8);
        const std::size_t start{writer.position()};
        writer.u32(type);
        writer.u32(0);
        body();
        writer.patch_u32(start + 4, static_cast<std::uint32_t>(writer.position() - start));
    };

    writer.u64(0); // total size, below; reserved
    tag(1, [&] { writer.text(facts.command_line); });
    tag(2, [&] { writer.text(loader_name(facts.info)); });
    for (const PlacedModule& module : facts.modules)
        tag(3, [&] {
            writer.u32(static_cast<std::uint32_t>(module.range.begin));
            writer.u32(static_cast<std::uint32_t>(module.range.end));
            writer.text(module.text);
        });
    tag(4, [&] {
        const auto basic = basic_memory(facts.map);
        writer.u32(basic.lower);
        writer.u32(basic.upper);
    });
    tag(6, [&] {
        writer.u32(24); // size of an entry
        writer.u32(0);  // version
        for (const memory::MemoryRegion& region : facts.map.regions()) {
            writer.u64(region.range.begin);
            writer.u64(region.range.size());
            writer.u32(static_cast<std::uint32_t>(region.type));
            writer.u32(0);
        }
    });
    if (facts.video)
        tag(8, [&] {
            write_screen(writer);
            writer.u16(0);
        });
    const auto rsdp = [&](std::uint32_t type, const boot::AcpiRsdp& copy) {
        if (copy.size != 0) tag(type, [&] { writer.raw(copy.bytes, copy.size); });
    };
    rsdp(14, facts.info.old_rsdp());
    rsdp(15, facts.info.new_rsdp());
    if (facts.relocated) tag(21, [&] { writer.u32(facts.load_base); });
    tag(0, [] {});
    writer.patch_u32(0, static_cast<std::uint32_t>(writer.position()));
}

} // namespace shadowtune::l1
