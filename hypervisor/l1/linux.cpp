#include "hypervisor/l1/linux.hpp"

#include "hypervisor/boot/bytes.hpp"
#include "hypervisor/l1/linux_setup.hpp"
#include "hypervisor/l1/staging.hpp"

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;
using memory::MemoryRange;

// struct boot_params, the "zero page" (Linux, Documentation/arch/x86/zero-page.rst).
namespace zero_page {
constexpr std::size_t size{0x1000};
constexpr std::size_t screen_info{0x000};
constexpr std::size_t acpi_rsdp_addr{0x070};
constexpr std::size_t e820_entries{0x1e8};
constexpr std::size_t e820_table{0x2d0};
constexpr std::size_t e820_entry_size{20};
} // namespace zero_page

static_assert(zero_page::e820_table + memory::MemoryMap::capacity * zero_page::e820_entry_size <=
              zero_page::size);

constexpr std::uint8_t loader_undefined{0xff}; // type_of_loader without an assigned id
constexpr std::uint8_t flag_keep_segments{0x40};
constexpr std::uint8_t flag_can_use_heap{0x80};
constexpr std::uint16_t heap_end{0xde00}; // 0xe000 - 0x200, boot.rst's value for LOADED_HIGH
constexpr std::uint16_t video_mode_normal{0xffff};

class LinuxLoader {
public:
    explicit LinuxLoader(const L1Request& request)
        : m_request{request}, m_staging{request}, m_map{request.map} {}

    [[nodiscard]] Result<L1Entry, BootError> load() {
        if (const auto done = read(); !done) return Failure{done.error()};
        if (const auto done = place_kernel(); !done) return Failure{done.error()};
        if (const auto done = place_initrd(); !done) return Failure{done.error()};
        if (const auto done = place_tables(); !done) return Failure{done.error()};
        if (const auto done = m_staging.move(); !done) return Failure{done.error()};
        if (const auto done = write_tables(); !done) return Failure{done.error()};

        // boot.rst, "32-bit Boot Protocol": ESI holds boot_params; EBP, EDI and EBX are zero.
        m_entry.eip = static_cast<std::uint32_t>(m_kernel.begin);
        m_entry.esi = static_cast<std::uint32_t>(m_zero_page.begin);
        m_entry.kind = L1Kind::linux_kernel;
        return m_entry;
    }

private:
    // Takes all that is needed out of the image, for moving may overwrite it.
    [[nodiscard]] Result<void, BootError> read() {
        const Image& kernel{m_request.modules.kernel};
        const auto image = m_staging.open(kernel.range);
        if (!image) return Failure{image.error()};
        const auto setup = read_linux_setup(image.value());
        if (!setup) return Failure{setup.error()};
        m_setup = setup.value();
        set_name(m_entry, m_setup.name);
        m_setup.name = {};
        __builtin_memcpy(m_header, image.value().data() + setup_offset::start,
                         m_setup.header_end - setup_offset::start);
        if (kernel.text.size() > m_setup.command_line_limit)
            return Failure{BootError::of("Linux command line: ", kernel.text.size(),
                                         " characters, but this kernel takes ", m_setup.command_line_limit,
                                         "; shorten it in grub.cfg")};
        return {};
    }

    [[nodiscard]] Result<void, BootError> place_kernel() {
        m_kernel = memory::range_of(m_setup.preferred, m_setup.room);
        if (!m_setup.relocatable) {
            if (const auto done = m_staging.claim("the Linux kernel (not relocatable)"sv, m_kernel); !done)
                return done;
        } else {
            // Not below the preferred address: the kernel would move itself up there all the same.
            const auto place = m_staging.find(
                "the Linux kernel"sv,
                {m_setup.room, m_setup.alignment, {m_setup.preferred, memory::four_gib}, false},
                m_request.modules.kernel.range);
            if (!place) return Failure{place.error()};
            m_kernel = place.value();
        }
        const MemoryRange& file{m_request.modules.kernel.range};
        return m_staging.copy(
            {file.begin + m_setup.setup_size, m_kernel.begin, file.size() - m_setup.setup_size});
    }

    [[nodiscard]] Result<void, BootError> place_initrd() {
        if (!m_request.modules.has_initrd) return {};
        const MemoryRange& file{m_request.modules.initrd.range};
        constexpr std::uint64_t one_mib{0x10'0000};
        const auto place = m_staging.find(
            "the initrd"sv, {file.size(), memory::page_size, {one_mib, m_setup.initrd_limit}, true}, file);
        if (!place) return Failure{place.error()};
        m_initrd = place.value();
        return m_staging.copy({file.begin, m_initrd.begin, file.size()});
    }

    [[nodiscard]] Result<void, BootError> place_tables() {
        const auto find = [&](std::string_view what, std::uint64_t size,
                              MemoryRange& place) -> Result<void, BootError> {
            const auto found = m_staging.find_low(what, size);
            if (!found) return Failure{found.error()};
            place = found.value();
            return {};
        };
        if (const auto done = find("boot_params"sv, zero_page::size, m_zero_page); !done) return done;
        if (const auto done =
                find("the command line"sv, m_request.modules.kernel.text.size() + 1, m_command_line);
            !done)
            return done;
        if (const auto done = find("the boot GDT"sv, memory::page_size, m_gdt); !done) return done;
        return place_rsdp();
    }

    // Firmware without a BIOS leaves no RSDP where Linux would search it. A copy of the loader's serves as
    // well, in a page that the map keeps from being used for something else.
    [[nodiscard]] Result<void, BootError> place_rsdp() {
        if (m_setup.version < protocol_with_rsdp || rsdp().empty()) return {};
        const auto found = m_staging.find_low("the ACPI RSDP"sv, memory::page_size);
        if (!found) return Failure{found.error()};
        if (!m_map.add(found.value(), memory::MemoryType::acpi_reclaimable))
            return Failure{BootError::of("memory map: more than ", memory::MemoryMap::capacity,
                                         " regions, which no Linux zero page holds; update the firmware")};
        m_rsdp = found.value();
        return {};
    }

    [[nodiscard]] std::span<const std::uint8_t> rsdp() const {
        const auto& newer = m_request.info.new_rsdp();
        return newer.size != 0 ? newer.view() : m_request.info.old_rsdp().view();
    }

    [[nodiscard]] Result<void, BootError> write_tables() {
        if (const auto done = m_staging.write_gdt(m_gdt, m_entry); !done) return done;
        const auto command_line = m_staging.open(m_command_line);
        if (!command_line) return Failure{command_line.error()};
        boot::ByteWriter{command_line.value()}.text(m_request.modules.kernel.text);
        if (!m_rsdp.empty()) {
            const auto copy = m_staging.open(m_rsdp);
            if (!copy) return Failure{copy.error()};
            boot::ByteWriter{copy.value()}.raw(rsdp().data(), rsdp().size());
        }
        const auto page = m_staging.open(m_zero_page);
        if (!page) return Failure{page.error()};
        write_zero_page(page.value());
        return {};
    }

    void write_zero_page(std::span<std::uint8_t> page) const {
        __builtin_memset(page.data(), 0, page.size());
        write_screen_info(page.subspan(zero_page::screen_info));
        put<std::uint64_t>(page, zero_page::acpi_rsdp_addr, m_rsdp.begin);

        __builtin_memcpy(page.data() + setup_offset::start, m_header,
                         m_setup.header_end - setup_offset::start);
        put<std::uint16_t>(page, setup_offset::vid_mode, video_mode_normal);
        put<std::uint8_t>(page, setup_offset::type_of_loader, loader_undefined);
        // The segments are the protocol's own: the kernel may load them again.
        const auto flags = boot::number_at<std::uint8_t>(page, setup_offset::loadflags);
        put(page, setup_offset::loadflags,
            static_cast<std::uint8_t>((flags & ~flag_keep_segments) | flag_can_use_heap));
        put<std::uint16_t>(page, setup_offset::heap_end_ptr, heap_end);
        put(page, setup_offset::code32_start, static_cast<std::uint32_t>(m_kernel.begin));
        put(page, setup_offset::ramdisk_image, static_cast<std::uint32_t>(m_initrd.begin));
        put(page, setup_offset::ramdisk_size, static_cast<std::uint32_t>(m_initrd.size()));
        put(page, setup_offset::cmd_line_ptr, static_cast<std::uint32_t>(m_command_line.begin));

        const auto regions = m_map.regions();
        put(page, zero_page::e820_entries, static_cast<std::uint8_t>(regions.size()));
        boot::ByteWriter table{page.subspan(zero_page::e820_table)};
        for (const memory::MemoryRegion& region : regions) {
            table.u64(region.range.begin);
            table.u64(region.range.size());
            table.u32(static_cast<std::uint32_t>(region.type));
        }
    }

    // The text mode in which the VMM was started: VGA mode 3, 80x25, 16 lines a character (struct
    // screen_info).
    static void write_screen_info(std::span<std::uint8_t> screen) {
        put<std::uint8_t>(screen, 0x06, 3);   // orig_video_mode
        put<std::uint8_t>(screen, 0x07, 80);  // orig_video_cols
        put<std::uint8_t>(screen, 0x0e, 25);  // orig_video_lines
        put<std::uint8_t>(screen, 0x0f, 1);   // orig_video_isVGA: a VGA in text mode
        put<std::uint16_t>(screen, 0x10, 16); // orig_video_points
    }

    template <typename Number>
    static void put(std::span<std::uint8_t> page, std::size_t offset, Number value) {
        boot::ByteWriter{page.subspan(offset)}.number(value);
    }

    const L1Request& m_request;
    Staging m_staging;
    memory::MemoryMap m_map; // L1's, with our RSDP page
    LinuxSetup m_setup;
    std::uint8_t m_header[setup_offset::limit - setup_offset::start]{};
    MemoryRange m_kernel;
    MemoryRange m_initrd;
    MemoryRange m_zero_page;
    MemoryRange m_command_line;
    MemoryRange m_gdt;
    MemoryRange m_rsdp;
    L1Entry m_entry;
};

} // namespace

Result<L1Entry, BootError> load_linux(const L1Request& request) {
    return LinuxLoader{request}.load();
}

} // namespace shadowtune::l1
