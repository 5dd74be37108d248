#include "hypervisor/l1/multiboot_image.hpp"

#include "hypervisor/boot/bytes.hpp"

#include <algorithm>

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;
using boot::number_at;

Failure<BootError> broken(std::string_view what) {
    return Failure{BootError::of("multiboot image: ", what, "; rebuild it")};
}

Result<void, BootError> add_segment(MultibootImage& image, std::span<const std::uint8_t> file,
                                    const Segment& segment) {
    if (segment.memory_size == 0) return {};
    if (segment.file_size > segment.memory_size)
        return broken("a segment has more bytes in the file than in memory"sv);
    if (segment.file_size != 0 && !boot::has_bytes(file, segment.offset, segment.file_size))
        return broken("the file is cut off"sv);
    if (segment.address >= memory::four_gib || segment.memory_size > memory::four_gib - segment.address)
        return broken("a segment lies above 4 GiB"sv);
    for (const Segment& other : image.view())
        if (other.range().overlaps(segment.range())) return broken("two segments overlap"sv);
    if (image.count == MultibootImage::max_segments) return broken("more than 32 segments"sv);
    image.segments[image.count++] = segment;
    return {};
}

// ELF32 and ELF64 differ in where the fields lie and how wide addresses are.
class ElfReader {
public:
    explicit ElfReader(std::span<const std::uint8_t> file) : m_file{file} {}

    [[nodiscard]] Result<void, BootError> read(MultibootImage& image) {
        constexpr std::uint32_t elf_magic{0x464c'457f};
        constexpr std::uint16_t machine_i386{3};
        constexpr std::uint16_t machine_amd64{62};
        const auto elf_class = number_at<std::uint8_t>(m_file, 4);
        if (number_at<std::uint32_t>(m_file, 0) != elf_magic || (elf_class != 1 && elf_class != 2) ||
            number_at<std::uint8_t>(m_file, 5) != 1)
            return broken("neither address fields in its header nor a little-endian ELF file"sv);
        m_wide = elf_class == 2;
        const auto machine = number_at<std::uint16_t>(m_file, 18);
        if (machine != machine_i386 && machine != machine_amd64)
            return broken("an ELF file for another processor"sv);
        if (!boot::has_bytes(m_file, 0, m_wide ? 64 : 52)) return broken("its ELF header is cut off"sv);

        const std::uint64_t table{field(24 + 4, 24 + 8)};
        const std::uint64_t entry_size{number_at<std::uint16_t>(m_file, m_wide ? 54 : 42)};
        const std::uint64_t count{number_at<std::uint16_t>(m_file, m_wide ? 56 : 44)};
        if (entry_size < (m_wide ? 56U : 32U) || !boot::has_bytes(m_file, table, entry_size * count))
            return broken("its program headers are cut off"sv);
        for (std::uint64_t index{0}; index < count; ++index)
            if (const auto done = read_segment(table + index * entry_size, image); !done) return done;
        return find_entry(image);
    }

private:
    // A number that is 32 bits wide at `narrow` in ELF32 and 64 bits wide at `wide` in ELF64.
    [[nodiscard]] std::uint64_t field(std::uint64_t narrow, std::uint64_t wide) const {
        return m_wide ? number_at<std::uint64_t>(m_file, wide) : number_at<std::uint32_t>(m_file, narrow);
    }

    [[nodiscard]] Result<void, BootError> read_segment(std::uint64_t at, MultibootImage& image) {
        constexpr std::uint32_t type_load{1};
        if (number_at<std::uint32_t>(m_file, at) != type_load) return {};
        const Segment segment{.offset = field(at + 4, at + 8),
                              .file_size = field(at + 16, at + 32),
                              .address = field(at + 12, at + 24),
                              .memory_size = field(at + 20, at + 40)};
        const std::size_t before{image.count};
        if (const auto done = add_segment(image, m_file, segment); !done) return done;
        if (image.count != before) m_virtual[before] = field(at + 8, at + 16);
        return {};
    }

    // e_entry is virtual by the ABI, but many small kernels mean the physical address; usually both are the
    // same.
    [[nodiscard]] Result<void, BootError> find_entry(MultibootImage& image) const {
        const std::uint64_t entry{field(24, 24)};
        for (std::size_t i{0}; i < image.count; ++i) {
            const Segment& segment{image.segments[i]};
            if (entry >= m_virtual[i] && entry - m_virtual[i] < segment.memory_size) {
                image.entry = entry - m_virtual[i] + segment.address;
                return {};
            }
        }
        image.entry = entry;
        return {};
    }

    std::span<const std::uint8_t> m_file;
    bool m_wide{false};
    std::uint64_t m_virtual[MultibootImage::max_segments]{};
};

// Multiboot 1, section 3.1.3; multiboot 2, section 3.1.5: the file is loaded as it is, from the place of the
// header.
Result<void, BootError> read_addresses(std::span<const std::uint8_t> file, const MultibootHeader& header,
                                       MultibootImage& image) {
    constexpr std::uint32_t from_start_of_file{0xffff'ffff};
    const std::uint64_t before_header{header.load_address == from_start_of_file
                                          ? header.offset
                                          : std::uint64_t{header.header_address} - header.load_address};
    if (before_header > header.offset || before_header > header.header_address)
        return broken("its address fields put the load address outside of the file"sv);
    Segment segment;
    segment.offset = header.offset - before_header;
    segment.address = header.header_address - before_header;
    segment.file_size = file.size() - segment.offset;
    if (header.load_end != 0) {
        if (header.load_end < segment.address) return broken("its load end is below its load address"sv);
        segment.file_size = header.load_end - segment.address;
    }
    segment.memory_size = segment.file_size;
    if (header.bss_end != 0) {
        if (header.bss_end < segment.address + segment.file_size)
            return broken("its bss ends before it begins"sv);
        segment.memory_size = header.bss_end - segment.address;
    }
    return add_segment(image, file, segment);
}

} // namespace

memory::MemoryRange MultibootImage::span() const {
    if (count == 0) return {};
    memory::MemoryRange all{segments[0].range()};
    for (const Segment& segment : view()) {
        all.begin = std::min(all.begin, segment.range().begin);
        all.end = std::max(all.end, segment.range().end);
    }
    return all;
}

Result<MultibootImage, BootError> read_multiboot_image(std::span<const std::uint8_t> file,
                                                       const MultibootHeader& header) {
    MultibootImage image;
    const auto done =
        header.has_addresses ? read_addresses(file, header, image) : ElfReader{file}.read(image);
    if (!done) return Failure{done.error()};
    if (image.count == 0) return broken("nothing in it is to be loaded"sv);
    // An entry in the header goes before ELF's.
    if (header.has_entry) image.entry = header.entry;
    if (std::ranges::none_of(image.view(), [&](const Segment& segment) {
            return image.entry >= segment.range().begin && image.entry < segment.range().end;
        }))
        return broken("its entry address lies in none of its segments"sv);
    return image;
}

} // namespace shadowtune::l1
