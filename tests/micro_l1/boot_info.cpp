#include "tests/micro_l1/boot_info.hpp"

#include <cstring>

namespace shadowtune::micro_l1 {

namespace {

char g_command_line[1024];

template <typename T>
[[nodiscard]] T load(std::uint64_t address) {
    T value;
    __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
    return value;
}

[[nodiscard]] std::string_view copy_command_line(std::uint64_t address) {
    std::size_t used{0};
    for (; used < sizeof(g_command_line); ++used) {
        const char c{load<char>(address + used)};
        if (c == 0) break;
        g_command_line[used] = c;
    }
    return {g_command_line, used};
}

void add_range(BootInfo& info, std::uint64_t base, std::uint64_t size, std::uint32_t type) {
    if (info.range_count < BootInfo::max_ranges) info.ranges[info.range_count++] = {base, size, type};
}

// Multiboot Specification 0.6.96, section 3.3: flags, then fields at fixed offsets.
void read_multiboot1(BootInfo& info, std::uint64_t address) {
    const auto flags{load<std::uint32_t>(address)};
    if ((flags & 4U) != 0) info.command_line = copy_command_line(load<std::uint32_t>(address + 16));
    if ((flags & 64U) == 0) return;
    const std::uint64_t length{load<std::uint32_t>(address + 44)};
    const std::uint64_t start{load<std::uint32_t>(address + 48)};
    for (std::uint64_t entry{start}; entry < start + length; entry += load<std::uint32_t>(entry) + 4U) {
        add_range(info, load<std::uint64_t>(entry + 4), load<std::uint64_t>(entry + 12),
                  load<std::uint32_t>(entry + 20));
    }
}

// Multiboot2 2.0, section 3.6: tags of (type, size), each padded to 8 bytes, ended by type 0.
void read_multiboot2(BootInfo& info, std::uint64_t address) {
    constexpr std::uint32_t command_line_tag{1};
    constexpr std::uint32_t memory_map_tag{6};
    std::uint64_t tag{address + 8};
    for (;;) {
        const auto type{load<std::uint32_t>(tag)};
        const std::uint64_t size{load<std::uint32_t>(tag + 4)};
        if (type == 0 || size < 8) return;
        if (type == command_line_tag) info.command_line = copy_command_line(tag + 8);
        if (type == memory_map_tag) {
            const std::uint64_t entry_size{load<std::uint32_t>(tag + 8)};
            for (std::uint64_t entry{tag + 16}; entry_size != 0 && entry < tag + size; entry += entry_size) {
                add_range(info, load<std::uint64_t>(entry), load<std::uint64_t>(entry + 8),
                          load<std::uint32_t>(entry + 16));
            }
        }
        tag += (size + 7U) & ~std::uint64_t{7};
    }
}

} // namespace

BootInfo read_boot_info(std::uint32_t magic, std::uint32_t address) {
    BootInfo info{};
    if (magic == 0x2BADB002U) read_multiboot1(info, address);
    if (magic == 0x36D76289U) read_multiboot2(info, address);
    return info;
}

} // namespace shadowtune::micro_l1
