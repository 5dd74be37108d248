#include "hypervisor/boot/multiboot2.hpp"

#include "hypervisor/boot/bytes.hpp"

namespace shadowtune::boot {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
// Multiboot2 Specification 2.0, section 3.6: the tags that the VMM uses.
enum class Tag : std::uint32_t {
    end = 0,
    command_line = 1,
    loader_name = 2,
    module = 3,
    memory_map = 6,
    old_rsdp = 14,
    new_rsdp = 15,
};

constexpr std::size_t tag_header_size{8};
constexpr std::size_t old_rsdp_size{20};

constexpr std::string_view mend{"; boot through GRUB's multiboot2 command"sv};

} // namespace

class Multiboot2Reader {
public:
    Multiboot2Reader(std::span<const std::uint8_t> bytes, BootInfo& info) : m_bytes{bytes}, m_info{info} {}

    [[nodiscard]] Result<void, BootError> read() {
        const std::uint64_t total{number_at<std::uint32_t>(m_bytes, 0)};
        if (m_bytes.size() < tag_header_size || total < 2 * tag_header_size || total > m_bytes.size())
            return Failure{BootError::of("multiboot2 information: size ", total, " does not fit into ",
                                         m_bytes.size(), " bytes", mend)};
        m_bytes = m_bytes.first(total);

        std::uint64_t offset{tag_header_size};
        for (;;) {
            const auto type = static_cast<Tag>(number_at<std::uint32_t>(m_bytes, offset));
            const std::uint64_t size{number_at<std::uint32_t>(m_bytes, offset + 4)};
            if (size < tag_header_size || !has_bytes(m_bytes, offset, size))
                return Failure{
                    BootError::of("multiboot2 information: no whole tag at offset ", offset, mend)};
            if (type == Tag::end) break;
            const auto body = part_of(m_bytes, offset + tag_header_size, size - tag_header_size);
            if (const auto done = read_tag(type, body); !done) return done;
            offset = memory::align_up(offset + size, 8);
        }
        if (m_info.m_memory_count == 0)
            return Failure{BootError::of("multiboot2 information: no memory map", mend)};
        return {};
    }

private:
    [[nodiscard]] Result<void, BootError> read_tag(Tag type, std::span<const std::uint8_t> body) {
        switch (type) {
        case Tag::command_line: return read_text("command line"sv, body, m_info.m_command_line);
        case Tag::loader_name: return read_text("loader name"sv, body, m_info.m_loader_name);
        case Tag::module: return read_module(body);
        case Tag::memory_map: return read_memory(body);
        case Tag::old_rsdp: return read_rsdp(body, m_info.m_old_rsdp);
        case Tag::new_rsdp: return read_rsdp(body, m_info.m_new_rsdp);
        default: return {};
        }
    }

    [[nodiscard]] Result<void, BootError> read_text(std::string_view what, std::span<const std::uint8_t> body,
                                                    std::string_view& out) {
        std::string_view text;
        if (!text_in(body, text))
            return Failure{BootError::of("multiboot2 information: the ", what, " has no end", mend)};
        if (text.size() >= BootInfo::text_capacity - m_info.m_text_used)
            return Failure{BootError::of("multiboot2 information: more than ", BootInfo::text_capacity - 1,
                                         " bytes of text; shorten the command lines in grub.cfg")};
        char* const copy{m_info.m_text + m_info.m_text_used};
        if (!text.empty()) __builtin_memcpy(copy, text.data(), text.size());
        m_info.m_text_used += text.size();
        out = {copy, text.size()};
        return {};
    }

    [[nodiscard]] Result<void, BootError> read_module(std::span<const std::uint8_t> body) {
        if (m_info.m_module_count == max_modules)
            return Failure{BootError::of("boot modules: more than ", max_modules,
                                         "; remove some module2 lines from grub.cfg")};
        BootModule& module{m_info.m_modules[m_info.m_module_count]};
        module.range = {number_at<std::uint32_t>(body, 0), number_at<std::uint32_t>(body, 4)};
        if (body.size() < 8 || module.range.end < module.range.begin)
            return Failure{BootError::of("multiboot2 information: boot module ", m_info.m_module_count + 1,
                                         " ends before it begins", mend)};
        if (const auto done = read_text("string of a boot module"sv, body.subspan(8), module.text); !done)
            return done;
        ++m_info.m_module_count;
        return {};
    }

    [[nodiscard]] Result<void, BootError> read_memory(std::span<const std::uint8_t> body) {
        const std::uint64_t entry_size{number_at<std::uint32_t>(body, 0)};
        // The specification lets entries grow at their end, by multiples of 8 bytes.
        if (body.size() < 8 || entry_size < 24 || entry_size % 8 != 0 || (body.size() - 8) % entry_size != 0)
            return Failure{
                BootError::of("multiboot2 information: the memory map's entries are broken", mend)};
        for (std::uint64_t offset{8}; offset < body.size(); offset += entry_size) {
            if (m_info.m_memory_count == max_memory_entries)
                return Failure{
                    BootError::of("memory map: more than ", max_memory_entries,
                                  " entries, which no Linux zero page holds; update the firmware")};
            m_info.m_memory[m_info.m_memory_count++] = {
                memory::range_of(number_at<std::uint64_t>(body, offset),
                                 number_at<std::uint64_t>(body, offset + 8)),
                memory::memory_type_of(number_at<std::uint32_t>(body, offset + 16))};
        }
        return {};
    }

    [[nodiscard]] static Result<void, BootError> read_rsdp(std::span<const std::uint8_t> body,
                                                           AcpiRsdp& rsdp) {
        static constexpr std::string_view signature{"RSD PTR "sv};
        if (body.size() < old_rsdp_size || body.size() > AcpiRsdp::capacity ||
            __builtin_memcmp(body.data(), signature.data(), signature.size()) != 0)
            return Failure{BootError::of("multiboot2 information: the ACPI RSDP is broken", mend)};
        __builtin_memcpy(rsdp.bytes, body.data(), body.size());
        rsdp.size = body.size();
        return {};
    }

    std::span<const std::uint8_t> m_bytes;
    BootInfo& m_info;
};

Result<void, BootError> parse_multiboot2(std::span<const std::uint8_t> bytes, BootInfo& info) {
    return Multiboot2Reader{bytes, info}.read();
}

Result<memory::MemoryMap, BootError> memory_map_of(const BootInfo& info) {
    memory::MemoryMap map;
    for (const memory::MemoryRegion& region : info.memory())
        if (!map.add(region.range, region.type))
            return Failure{BootError::of("memory map: more than ", memory::MemoryMap::capacity,
                                         " regions, which no Linux zero page holds; update the firmware")};
    return map;
}

} // namespace shadowtune::boot
