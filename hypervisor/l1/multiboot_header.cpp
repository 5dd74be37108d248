#include "hypervisor/l1/multiboot_header.hpp"

#include "hypervisor/boot/bytes.hpp"
#include "hypervisor/l1/multiboot.hpp"

#include <algorithm>

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;
using boot::number_at;

constexpr std::size_t nowhere{~std::size_t{0}};

// Multiboot 1, section 3.1: in the first 8192 bytes, 4-byte aligned, three fields that sum to zero.
std::size_t find_multiboot1(std::span<const std::uint8_t> image) {
    const auto head = image.first(std::min<std::size_t>(image.size(), 8192));
    for (std::size_t offset{0}; boot::has_bytes(head, offset, 12); offset += 4) {
        const auto magic = number_at<std::uint32_t>(head, offset);
        const auto flags = number_at<std::uint32_t>(head, offset + 4);
        const auto checksum = number_at<std::uint32_t>(head, offset + 8);
        if (magic == multiboot1_header_magic && magic + flags + checksum == 0) return offset;
    }
    return nowhere;
}

// Multiboot 2, section 3.1: in the first 32768 bytes, 8-byte aligned, four fields that sum to zero.
std::size_t find_multiboot2(std::span<const std::uint8_t> image) {
    const auto head = image.first(std::min<std::size_t>(image.size(), 32768));
    for (std::size_t offset{0}; boot::has_bytes(head, offset, 16); offset += 8) {
        const auto magic = number_at<std::uint32_t>(head, offset);
        const auto architecture = number_at<std::uint32_t>(head, offset + 4);
        const auto length = number_at<std::uint32_t>(head, offset + 8);
        const auto checksum = number_at<std::uint32_t>(head, offset + 12);
        if (magic == multiboot2_header_magic && magic + architecture + length + checksum == 0) return offset;
    }
    return nowhere;
}

// Walks the header's tags (Multiboot 2, section 3.1.3 and on).
class HeaderTags {
public:
    HeaderTags(std::span<const std::uint8_t> header, bool have_rsdp)
        : m_bytes{header}, m_have_rsdp{have_rsdp} {}

    [[nodiscard]] Result<void, BootError> read(MultibootHeader& header) {
        std::uint64_t offset{16};
        for (;;) {
            const auto type = static_cast<Tag>(number_at<std::uint16_t>(m_bytes, offset));
            const bool optional{(number_at<std::uint16_t>(m_bytes, offset + 2) & 1) != 0};
            const std::uint64_t size{number_at<std::uint32_t>(m_bytes, offset + 4)};
            if (size < 8 || !boot::has_bytes(m_bytes, offset, size)) return broken("a tag is cut off"sv);
            if (type == Tag::end) break;
            if (const auto done =
                    read_tag(type, optional, boot::part_of(m_bytes, offset + 8, size - 8), header);
                !done)
                return done;
            offset = memory::align_up(offset + size, 8);
        }
        if (header.has_addresses && !header.has_entry) return broken("addresses without an entry address"sv);
        return {};
    }

private:
    enum class Tag : std::uint16_t {
        end = 0,
        information_request = 1,
        addresses = 2,
        entry = 3,
        console = 4,
        framebuffer = 5,
        module_alignment = 6,
        efi_boot_services = 7,
        efi32_entry = 8,
        efi64_entry = 9,
        relocatable = 10,
    };

    [[nodiscard]] Result<void, BootError>
    read_tag(Tag type, bool optional, std::span<const std::uint8_t> body, MultibootHeader& header) const {
        const auto number = [&](std::size_t index) { return number_at<std::uint32_t>(body, index * 4); };
        switch (type) {
        case Tag::information_request: return optional ? Result<void, BootError>{} : check_requests(body);
        case Tag::addresses:
            if (body.size() < 16) return broken("its address tag is cut off"sv);
            header.has_addresses = true;
            header.header_address = number(0);
            header.load_address = number(1);
            header.load_end = number(2);
            header.bss_end = number(3);
            return {};
        case Tag::entry:
            if (body.size() < 4) return broken("its entry tag is cut off"sv);
            header.has_entry = true;
            header.entry = number(0);
            return {};
        case Tag::console: {
            // Bit 0: needs a console; bit 1: can use an EGA text screen, the only one there is.
            constexpr std::uint32_t console_required{1};
            constexpr std::uint32_t knows_text{2};
            header.wants_video |= (number(0) & knows_text) != 0;
            if (!optional && (number(0) & (console_required | knows_text)) == console_required)
                return refused("a console that is not an EGA text screen"sv);
            return {};
        }
        case Tag::framebuffer:
            // Depth 0 asks for text mode or does not care.
            if (!optional && number(2) != 0) return refused("a graphics framebuffer"sv);
            header.wants_video = true;
            return {};
        case Tag::relocatable:
            if (body.size() < 16) return broken("its relocation tag is cut off"sv);
            header.relocatable = true;
            // Not below 1 MiB, where firmware's data and our tables are.
            header.window = {std::max(number(0), 0x10'0000U), std::uint64_t{number(1)} + 1};
            header.alignment = std::max<std::uint64_t>(number(2), 1);
            header.prefer_highest = number(3) == 2;
            if ((header.alignment & (header.alignment - 1)) != 0)
                return broken("its alignment is no power of two"sv);
            return {};
        case Tag::module_alignment:  // always done
        case Tag::efi_boot_services: // the EFI tags speak of EFI's boot services, which are over
        case Tag::efi32_entry:
        case Tag::efi64_entry: return {};
        default: break;
        }
        if (optional) return {};
        return Failure{BootError::of("multiboot2 image: it requires header tag ",
                                     static_cast<std::uint64_t>(type),
                                     ", which is not known; build it with that tag optional")};
    }

    [[nodiscard]] Result<void, BootError> check_requests(std::span<const std::uint8_t> body) const {
        for (std::size_t offset{0}; offset + 4 <= body.size(); offset += 4) {
            const auto type = number_at<std::uint32_t>(body, offset);
            switch (type) {
            case 0:  // end
            case 1:  // command line
            case 2:  // loader name
            case 3:  // modules
            case 4:  // basic memory information
            case 6:  // memory map
            case 8:  // framebuffer information: of the text screen
            case 21: // load base
                continue;
            case 14: // ACPI's old RSDP
            case 15: // and the new one
                if (m_have_rsdp) continue;
                break;
            default: break;
            }
            return Failure{
                BootError::of("multiboot2 image: it requires information tag ", type,
                              ", which cannot be given here; build it with that request optional")};
        }
        return {};
    }

    [[nodiscard]] static Failure<BootError> broken(std::string_view what) {
        return Failure{BootError::of("multiboot2 header: ", what, "; rebuild the image")};
    }
    [[nodiscard]] static Failure<BootError> refused(std::string_view what) {
        return Failure{BootError::of("multiboot2 image: it requires ", what,
                                     ", which L0 does not set up; build it with that tag optional")};
    }

    std::span<const std::uint8_t> m_bytes;
    bool m_have_rsdp;
};

} // namespace

bool is_multiboot1(std::span<const std::uint8_t> image) {
    return find_multiboot1(image) != nowhere;
}
bool is_multiboot2(std::span<const std::uint8_t> image) {
    return find_multiboot2(image) != nowhere;
}

Result<MultibootHeader, BootError> read_multiboot1_header(std::span<const std::uint8_t> image) {
    MultibootHeader header;
    header.offset = find_multiboot1(image);
    if (header.offset == nowhere)
        return Failure{
            BootError::of("multiboot image: no header in its first 8 KiB; give a multiboot image")};
    const auto field = [&](std::size_t index) {
        return number_at<std::uint32_t>(image, header.offset + index * 4);
    };
    const auto flags = field(1);
    // Bits 0 to 15 are requirements: pages for modules, memory information, video information. No others are
    // defined.
    constexpr std::uint32_t known_requirements{0x7};
    constexpr std::uint32_t video_flag{0x4};
    constexpr std::uint32_t address_flag{0x1'0000};
    if ((flags & 0xffff & ~known_requirements) != 0)
        return Failure{BootError::of("multiboot image: it requires features ", boot::Hex{flags & 0xffff},
                                     ", of which only 0x7 are known; rebuild it without the others")};
    header.wants_video = (flags & video_flag) != 0;
    if ((flags & address_flag) != 0) {
        if (!boot::has_bytes(image, header.offset, 32))
            return Failure{BootError::of("multiboot image: its address fields are cut off; rebuild it")};
        header.has_addresses = true;
        header.header_address = field(3);
        header.load_address = field(4);
        header.load_end = field(5);
        header.bss_end = field(6);
        header.has_entry = true;
        header.entry = field(7);
    }
    return header;
}

Result<MultibootHeader, BootError> read_multiboot2_header(std::span<const std::uint8_t> image,
                                                          bool have_rsdp) {
    MultibootHeader header;
    header.offset = find_multiboot2(image);
    if (header.offset == nowhere)
        return Failure{
            BootError::of("multiboot2 image: no header in its first 32 KiB; give a multiboot2 image")};
    if (number_at<std::uint32_t>(image, header.offset + 4) != 0)
        return Failure{BootError::of("multiboot2 image: it is for another architecture; give one for i386")};
    const std::uint64_t length{number_at<std::uint32_t>(image, header.offset + 8)};
    if (length < 24 || header.offset + length > 32768 || !boot::has_bytes(image, header.offset, length))
        return Failure{BootError::of("multiboot2 header: it is cut off; rebuild the image")};
    HeaderTags tags{boot::part_of(image, header.offset, length), have_rsdp};
    if (const auto done = tags.read(header); !done) return Failure{done.error()};
    return header;
}

} // namespace shadowtune::l1
