#pragma once

// L1 images built byte by byte, as the tests need them.

#include "tests/l1/machine.hpp"

namespace shadowtune::l1::test {

struct BzImageFacts {
    std::uint16_t version{0x020f};
    std::uint8_t loadflags{0x41}; // LOADED_HIGH, and KEEP_SEGMENTS to be cleared
    bool relocatable{true};
    std::uint32_t alignment{0x20'0000};
    std::uint64_t preferred{0x100'0000};
    std::uint32_t init_size{0x8'0000};
    std::uint32_t initrd_max{0x7fff'ffff};
    std::uint32_t cmdline_size{2047};
    std::size_t payload{0x3000};
};

inline constexpr std::size_t bzimage_setup_size{1024};

inline Bytes bzimage(const BzImageFacts& facts, std::mt19937& random) {
    Bytes image(bzimage_setup_size);
    put(image, 0x1f1, std::uint8_t{1});
    put(image, 0x1f4, static_cast<std::uint32_t>(facts.payload / 16));
    put(image, 0x1fe, std::uint16_t{0xaa55});
    put(image, 0x200, std::uint16_t{0x6aeb}); // jump to 0x26c
    put(image, 0x202, std::uint32_t{0x5372'6448});
    put(image, 0x206, facts.version);
    put(image, 0x20e, std::uint16_t{0x180});
    put(image, 0x211, facts.loadflags);
    put(image, 0x214, std::uint32_t{0x10'0000});
    put(image, 0x22c, facts.initrd_max);
    put(image, 0x230, facts.alignment);
    put(image, 0x234, static_cast<std::uint8_t>(facts.relocatable));
    put(image, 0x238, facts.cmdline_size);
    put(image, 0x258, facts.preferred);
    put(image, 0x260, facts.init_size);
    put(image, 0x268,
        std::uint32_t{0x1234'5678}); // kernel_info_offset: the last field must reach boot_params too
    const std::string version{"6.1.0-test (a@b) #1"};
    std::ranges::copy(version, image.begin() + 0x380);
    const auto payload = random_bytes(random, facts.payload);
    image.insert(image.end(), payload.begin(), payload.end());
    return image;
}

struct ElfSegment {
    std::uint64_t physical;
    std::uint64_t virtual_address;
    Bytes bytes;
    std::uint64_t memory_size;
};

// `header` (a multiboot header) lies right behind the program headers, 8-byte aligned.
inline Bytes elf(bool wide, std::uint64_t entry, const Bytes& header,
                 const std::vector<ElfSegment>& segments) {
    Bytes image(wide ? 64 : 52);
    put(image, 0, std::uint32_t{0x464c'457f});
    put(image, 4, static_cast<std::uint8_t>(wide ? 2 : 1));
    put(image, 5, std::uint8_t{1});
    put(image, 18, static_cast<std::uint16_t>(wide ? 62 : 3));
    const std::size_t entry_size{wide ? 56U : 32U};
    const auto table = static_cast<std::uint32_t>(image.size());
    if (wide) {
        put(image, 24, entry);
        put(image, 32, std::uint64_t{table});
    } else {
        put(image, 24, static_cast<std::uint32_t>(entry));
        put(image, 28, table);
    }
    put(image, wide ? 54 : 42, static_cast<std::uint16_t>(entry_size));
    put(image, wide ? 56 : 44, static_cast<std::uint16_t>(segments.size()));
    image.resize((table + entry_size * segments.size() + 7) / 8 * 8);
    image.insert(image.end(), header.begin(), header.end());
    std::size_t at{table};
    for (const auto& segment : segments) {
        const std::size_t offset{image.size()};
        image.insert(image.end(), segment.bytes.begin(), segment.bytes.end());
        put(image, at, std::uint32_t{1});
        if (wide) {
            put(image, at + 8, std::uint64_t{offset});
            put(image, at + 16, segment.virtual_address);
            put(image, at + 24, segment.physical);
            put(image, at + 32, std::uint64_t{segment.bytes.size()});
            put(image, at + 40, segment.memory_size);
        } else {
            put(image, at + 4, static_cast<std::uint32_t>(offset));
            put(image, at + 8, static_cast<std::uint32_t>(segment.virtual_address));
            put(image, at + 12, static_cast<std::uint32_t>(segment.physical));
            put(image, at + 16, static_cast<std::uint32_t>(segment.bytes.size()));
            put(image, at + 20, static_cast<std::uint32_t>(segment.memory_size));
        }
        at += entry_size;
    }
    return image;
}

inline Bytes multiboot1_header(std::uint32_t flags, const std::vector<std::uint32_t>& addresses = {}) {
    Bytes header;
    append(header, std::uint32_t{0x1bad'b002});
    append(header, flags);
    append(header, 0U - 0x1bad'b002U - flags);
    for (const auto address : addresses)
        append(header, address);
    return header;
}

struct HeaderTag {
    std::uint16_t type;
    bool optional;
    std::vector<std::uint32_t> body;
};

inline Bytes multiboot2_header(const std::vector<HeaderTag>& tags) {
    Bytes header(16);
    const auto add = [&](const HeaderTag& tag) {
        header.resize((header.size() + 7) / 8 * 8);
        append(header, tag.type);
        append(header, static_cast<std::uint16_t>(tag.optional));
        append(header, static_cast<std::uint32_t>(8 + 4 * tag.body.size()));
        for (const auto number : tag.body)
            append(header, number);
    };
    for (const auto& tag : tags)
        add(tag);
    add({0, false, {}});
    const auto length = static_cast<std::uint32_t>(header.size());
    put(header, 0, std::uint32_t{0xe852'50d6});
    put(header, 8, length);
    put(header, 12, 0U - 0xe852'50d6U - length);
    return header;
}

} // namespace shadowtune::l1::test
