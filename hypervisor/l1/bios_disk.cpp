#include "hypervisor/l1/bios_disk.hpp"

#include "hypervisor/boot/bytes.hpp"
#include "hypervisor/l1/staging.hpp"

#include <optional>

namespace shadowtune::l1 {

namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;
using memory::MemoryRange;

constexpr std::uint64_t sector_size{512};
constexpr std::size_t signature_offset{510};
constexpr std::uint16_t signature{0xaa55};
// BIOS Boot Specification 1.01, 6.5.1: the sector at 0:7C00H, DL = the drive.
constexpr MemoryRange load_range{0x7c00, 0x7c00 + sector_size};

// The number of a drive of INT 13H, or nothing.
[[nodiscard]] std::optional<std::uint8_t> drive_number(std::string_view text) {
    const bool is_hexadecimal{text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')};
    if (is_hexadecimal) text.remove_prefix(2);
    const unsigned base{is_hexadecimal ? 16U : 10U};
    if (text.empty()) return std::nullopt;
    unsigned number{0};
    for (const char c : text) {
        const char lower{static_cast<char>(c | 0x20)};
        unsigned digit{base};
        if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
        if (lower >= 'a' && lower <= 'f') digit = static_cast<unsigned>(lower - 'a') + 10;
        if (digit >= base) return std::nullopt;
        number = number * base + digit;
        if (number > 0xFF) return std::nullopt;
    }
    return static_cast<std::uint8_t>(number);
}

} // namespace

bool is_boot_sector(std::span<const std::uint8_t> bytes) {
    return boot::number_at<std::uint16_t>(bytes, signature_offset) == signature;
}

Result<L1Entry, BootError> load_bios_disk(const L1Request& request) {
    const Image& kernel{request.modules.kernel};
    const auto drive = drive_number(kernel.text);
    if (!drive)
        return Failure{BootError::of("L1: '", kernel.text.substr(0, 32),
                                     "' is no number of a drive; write disk 0x80 in grub.cfg for the first "
                                     "hard disk")};
    Staging staging{request};
    if (const auto done = staging.claim("the boot sector"sv, load_range); !done) return Failure{done.error()};
    if (const auto done = staging.copy({kernel.range.begin, load_range.begin, sector_size}); !done)
        return Failure{done.error()};
    if (const auto done = staging.move(); !done) return Failure{done.error()};

    L1Entry entry;
    entry.mode = StartMode::real;
    entry.eip = static_cast<std::uint32_t>(load_range.begin);
    entry.esp = static_cast<std::uint32_t>(load_range.begin);
    entry.edx = *drive;
    entry.kind = L1Kind::bios_disk;
    set_name(entry, BootError::of("boot disk ", boot::Hex{*drive}).text());
    return entry;
}

} // namespace shadowtune::l1
