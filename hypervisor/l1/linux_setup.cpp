#include "hypervisor/l1/linux_setup.hpp"

#include "hypervisor/boot/bytes.hpp"
#include "hypervisor/l1/linux.hpp"
#include "hypervisor/memory/memory_map.hpp"

#include <algorithm>

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;
using boot::number_at;

constexpr std::uint16_t boot_flag_value{0xaa55};
constexpr std::uint32_t signature_value{0x5372'6448}; // "HdrS"
constexpr std::uint8_t loaded_high{0x01};
constexpr std::size_t sector{512};

// The version string lies in the real-mode part, at an offset that does not count the boot sector.
std::string_view version_string(std::span<const std::uint8_t> setup) {
    const std::uint64_t pointer{number_at<std::uint16_t>(setup, setup_offset::kernel_version)};
    std::string_view text;
    if (pointer == 0 || pointer + sector >= setup.size() ||
        !boot::text_in(setup.subspan(pointer + sector), text))
        return "Linux"sv;
    return text;
}

Failure<BootError> broken(std::string_view what) {
    return Failure{BootError::of("Linux bzImage: ", what, "; give an undamaged vmlinuz")};
}

} // namespace

bool is_bzimage(std::span<const std::uint8_t> image) {
    return number_at<std::uint16_t>(image, setup_offset::boot_flag) == boot_flag_value &&
           number_at<std::uint32_t>(image, setup_offset::signature) == signature_value;
}

Result<LinuxSetup, BootError> read_linux_setup(std::span<const std::uint8_t> image) {
    if (!is_bzimage(image)) return broken("no setup header"sv);
    LinuxSetup setup;
    setup.version = number_at<std::uint16_t>(image, setup_offset::version);
    if (setup.version < protocol_with_cmdline_size)
        return Failure{BootError::of("Linux bzImage: boot protocol ", boot::Hex{setup.version},
                                     " is older than 0x206; give Linux 2.6.22 or later")};
    const bool has_pref_address{setup.version >= protocol_with_pref_address};

    // The jump over the header at 0x200 tells where it ends, whatever fields later versions add.
    const std::size_t header_end{setup_offset::signature +
                                 number_at<std::uint8_t>(image, setup_offset::jump_length)};
    const std::size_t least_end{has_pref_address ? setup_offset::init_size + 4
                                                 : setup_offset::cmdline_size + 4};
    if (header_end < least_end || !boot::has_bytes(image, 0, header_end))
        return broken("its header is cut off"sv);
    setup.header_end = std::min(header_end, setup_offset::limit);

    const std::size_t sectors{number_at<std::uint8_t>(image, setup_offset::setup_sects)};
    setup.setup_size = ((sectors == 0 ? 4 : sectors) + 1) * sector;
    const std::uint64_t body{std::uint64_t{number_at<std::uint32_t>(image, setup_offset::syssize)} * 16};
    if (body == 0 || !boot::has_bytes(image, setup.setup_size, body)) return broken("the file is cut off"sv);
    const std::uint64_t payload{image.size() - setup.setup_size};

    if ((number_at<std::uint8_t>(image, setup_offset::loadflags) & loaded_high) == 0)
        return Failure{BootError::of("Linux image: a zImage, which loads below 1 MiB; give a bzImage")};

    setup.relocatable = number_at<std::uint8_t>(image, setup_offset::relocatable_kernel) != 0;
    setup.alignment = number_at<std::uint32_t>(image, setup_offset::kernel_alignment);
    if (setup.relocatable && (setup.alignment == 0 || (setup.alignment & (setup.alignment - 1)) != 0))
        return broken("its alignment is no power of two"sv);
    if (has_pref_address) {
        setup.preferred = number_at<std::uint64_t>(image, setup_offset::pref_address);
        setup.room =
            std::max<std::uint64_t>(number_at<std::uint32_t>(image, setup_offset::init_size), payload);
    } else {
        // Before 2.10 nobody told the room for decompression in place; three times the file is ample for
        // gzip.
        setup.preferred = number_at<std::uint32_t>(image, setup_offset::code32_start);
        setup.room = memory::align_up(payload, memory::page_size) * 3;
    }
    if (setup.preferred >= memory::four_gib || setup.room > memory::four_gib - setup.preferred)
        return broken("its load address is not below 4 GiB"sv);

    setup.initrd_limit = std::uint64_t{number_at<std::uint32_t>(image, setup_offset::initrd_addr_max)} + 1;
    setup.command_line_limit = number_at<std::uint32_t>(image, setup_offset::cmdline_size);
    setup.name = version_string(image.first(setup.setup_size));
    return setup;
}

} // namespace shadowtune::l1
