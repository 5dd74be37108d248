#pragma once

// A machine for the loaders' tests: memory in a vector, boot information built byte by byte.

#include "hypervisor/boot/multiboot2.hpp"
#include "hypervisor/l1/load.hpp"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace shadowtune::l1::test {

using Bytes = std::vector<std::uint8_t>;

template <typename Number>
void put(Bytes& bytes, std::size_t offset, Number value) {
    if (bytes.size() < offset + sizeof(value)) bytes.resize(offset + sizeof(value));
    __builtin_memcpy(bytes.data() + offset, &value, sizeof(value));
}

template <typename Number>
void append(Bytes& bytes, Number value) {
    put(bytes, bytes.size(), value);
}

inline void append_text(Bytes& bytes, const std::string& text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.push_back(0);
}

inline Bytes random_bytes(std::mt19937& random, std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
    return bytes;
}

// The multiboot2 information that a loader would hand to the VMM.
class InformationBuilder {
public:
    InformationBuilder() : m_bytes(8) {}

    InformationBuilder& tag(std::uint32_t type, const Bytes& body) {
        m_bytes.resize((m_bytes.size() + 7) / 8 * 8);
        append(m_bytes, type);
        append(m_bytes, static_cast<std::uint32_t>(body.size() + 8));
        m_bytes.insert(m_bytes.end(), body.begin(), body.end());
        return *this;
    }
    InformationBuilder& text(std::uint32_t type, const std::string& text) {
        Bytes body;
        append_text(body, text);
        return tag(type, body);
    }
    InformationBuilder& module(std::uint32_t begin, std::uint32_t end, const std::string& text) {
        Bytes body;
        append(body, begin);
        append(body, end);
        append_text(body, text);
        return tag(3, body);
    }
    InformationBuilder& memory(const std::vector<memory::MemoryRegion>& regions) {
        Bytes body;
        append(body, std::uint32_t{24});
        append(body, std::uint32_t{0});
        for (const auto& region : regions) {
            append(body, region.range.begin);
            append(body, region.range.size());
            append(body, static_cast<std::uint32_t>(region.type));
            append(body, std::uint32_t{0});
        }
        return tag(6, body);
    }
    [[nodiscard]] Bytes finish() {
        tag(0, {});
        put(m_bytes, 0, static_cast<std::uint32_t>(m_bytes.size()));
        return m_bytes;
    }

private:
    Bytes m_bytes;
};

inline Bytes rsdp_bytes() {
    Bytes rsdp{'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
    for (std::uint8_t i{8}; i < 36; ++i)
        rsdp.push_back(i);
    return rsdp;
}

class Machine {
public:
    explicit Machine(std::uint64_t size) : m_memory(size) {
        m_regions = {{{0, 0x9'fc00}, memory::MemoryType::ram},
                     {{0x9'fc00, 0xa'0000}, memory::MemoryType::reserved},
                     {{0xf'0000, 0x10'0000}, memory::MemoryType::reserved},
                     {{0x10'0000, size}, memory::MemoryType::ram}};
    }

    void add_module(std::uint64_t address, const Bytes& bytes, const std::string& text) {
        std::ranges::copy(bytes, m_memory.begin() + static_cast<std::ptrdiff_t>(address));
        m_builder.module(static_cast<std::uint32_t>(address),
                         static_cast<std::uint32_t>(address + bytes.size()), text);
    }
    void name_loader(const std::string& name) { m_builder.text(2, name); }
    void add_rsdp() { m_builder.tag(15, rsdp_bytes()); }
    void reserve(memory::MemoryRange range) { m_reserved.push_back(range); }

    // Everything the VMM does with L1's modules.
    [[nodiscard]] Result<L1Entry, boot::BootError> load() {
        m_info = std::make_unique<boot::BootInfo>();
        const auto bytes = m_builder.memory(m_regions).finish();
        if (const auto done = boot::parse_multiboot2(bytes, *m_info); !done) return Failure{done.error()};
        auto map = boot::memory_map_of(*m_info);
        if (!map) return Failure{map.error()};
        m_map = map.value();
        for (const auto& range : m_reserved)
            EXPECT_TRUE(m_map.reserve(range).ok());
        const auto modules = sort_modules(*m_info, physical());
        if (!modules) return Failure{modules.error()};
        return load_l1({m_map, physical(), *m_info, modules.value()});
    }

    [[nodiscard]] PhysicalMemory physical() {
        return {[](void* context, std::uint64_t address, std::uint64_t size) -> std::span<std::uint8_t> {
                    auto& memory = static_cast<Machine*>(context)->m_memory;
                    if (address > memory.size() || size > memory.size() - address) return {};
                    return {memory.data() + address, size};
                },
                this};
    }

    [[nodiscard]] std::span<std::uint8_t> at(std::uint64_t address, std::uint64_t size) {
        return std::span{m_memory}.subspan(address, size);
    }
    template <typename Number>
    [[nodiscard]] Number read(std::uint64_t address) {
        Number value{};
        __builtin_memcpy(&value, at(address, sizeof(value)).data(), sizeof(value));
        return value;
    }
    [[nodiscard]] std::string text_at(std::uint64_t address) {
        return reinterpret_cast<const char*>(at(address, 1).data());
    }
    [[nodiscard]] bool holds(std::uint64_t address, std::span<const std::uint8_t> bytes) {
        return std::ranges::equal(at(address, bytes.size()), bytes);
    }
    [[nodiscard]] const memory::MemoryMap& map() const { return m_map; }

private:
    Bytes m_memory;
    std::vector<memory::MemoryRegion> m_regions;
    std::vector<memory::MemoryRange> m_reserved;
    InformationBuilder m_builder;
    std::unique_ptr<boot::BootInfo> m_info;
    memory::MemoryMap m_map;
};

} // namespace shadowtune::l1::test
