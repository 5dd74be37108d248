#include "hypervisor/l1/module.hpp"

#include "hypervisor/l1/bios_disk.hpp"
#include "hypervisor/l1/linux.hpp"
#include "hypervisor/l1/multiboot.hpp"

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;

enum class Word : std::uint8_t {
    linux_kernel,
    initrd,
    multiboot,
    multiboot1,
    module,
    disk,
    profile,
    unknown
};

constexpr std::string_view words{"linux, initrd, multiboot, module, disk or profile"sv};

Word word_of(std::string_view word) {
    if (word == "linux"sv) return Word::linux_kernel;
    if (word == "initrd"sv) return Word::initrd;
    if (word == "multiboot"sv) return Word::multiboot;
    if (word == "multiboot1"sv) return Word::multiboot1;
    if (word == "module"sv) return Word::module;
    if (word == "disk"sv) return Word::disk;
    if (word == "profile"sv) return Word::profile;
    return Word::unknown;
}

// Cuts the first word off `text`; what remains starts at the next word.
std::string_view take_word(std::string_view& text) {
    const auto skip_spaces = [&] {
        while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
            text.remove_prefix(1);
    };
    skip_spaces();
    std::size_t length{0};
    while (length < text.size() && text[length] != ' ' && text[length] != '\t')
        ++length;
    const auto word = text.substr(0, length);
    text.remove_prefix(length);
    skip_spaces();
    return word;
}

class ModuleSorter {
public:
    explicit ModuleSorter(const PhysicalMemory& memory) : m_memory{memory} {}

    [[nodiscard]] Result<void, BootError> add(std::size_t number, const boot::BootModule& module) {
        Image image{module.range, module.text};
        const auto word = take_word(image.text);
        if (word_of(word) != Word::unknown && image.range.empty())
            return Failure{
                BootError::of("boot module ", number, " (", word, "): the file is empty; rebuild it")};
        switch (word_of(word)) {
        case Word::linux_kernel:
        case Word::disk:
        case Word::multiboot:
        case Word::multiboot1: return add_kernel(number, word_of(word), image);
        case Word::initrd:
            if (m_modules.has_initrd)
                return Failure{
                    BootError::of("boot module ", number, ": a second initrd; join both into one file")};
            m_modules.has_initrd = true;
            m_modules.initrd = image;
            return {};
        case Word::module: m_modules.modules[m_modules.module_count++] = image; return {};
        case Word::profile: m_modules.profiles[m_modules.profile_count++] = image; return {};
        case Word::unknown: break;
        }
        if (word.empty())
            return Failure{BootError::of("boot module ", number, ": no role; write ", words,
                                         " behind its file name in grub.cfg")};
        return Failure{BootError::of("boot module ", number, ": unknown role '", word.substr(0, 32),
                                     "'; write ", words, " behind its file name in grub.cfg")};
    }

    [[nodiscard]] Result<BootModules, BootError> finish() const {
        if (!m_has_kernel)
            return Failure{
                BootError::of("boot modules: no L1 among them; add a module2 line with the role linux, "
                              "multiboot or disk to grub.cfg")};
        const bool is_linux{m_modules.kind == L1Kind::linux_kernel};
        const bool is_disk{m_modules.kind == L1Kind::bios_disk};
        if (is_disk && (m_modules.has_initrd || m_modules.module_count != 0))
            return Failure{
                BootError::of("boot modules: an initrd or a module, but the L1 is a BIOS boot disk, which "
                              "has its own files; leave it out")};
        if (m_modules.has_initrd && !is_linux)
            return Failure{
                BootError::of("boot modules: an initrd, but the L1 is a multiboot image; give it the role "
                              "module")};
        if (m_modules.module_count != 0 && is_linux)
            return Failure{
                BootError::of("boot modules: a module, but the L1 is Linux, which takes only an initrd; "
                              "give it the role initrd")};
        return m_modules;
    }

private:
    [[nodiscard]] Result<void, BootError> add_kernel(std::size_t number, Word role, const Image& image) {
        if (m_has_kernel)
            return Failure{BootError::of("boot module ", number,
                                         ": a second L1; leave one linux, multiboot or disk line "
                                         "in grub.cfg")};
        const auto bytes = m_memory.range(image.range.begin, image.range.size());
        if (bytes.empty())
            return Failure{BootError::of("boot module ", number, ": its memory at ",
                                         boot::Hex{image.range.begin},
                                         " cannot be reached; check the firmware's memory map")};
        const bool bzimage{is_bzimage(bytes)};
        // Some images carry both headers (Xen); the newer protocol tells them more.
        const bool multiboot{is_multiboot1(bytes) || is_multiboot2(bytes)};
        if (role == Word::linux_kernel && !bzimage)
            return multiboot ? Failure{BootError::of("boot module ", number,
                                                     ": a multiboot image in the role linux; "
                                                     "give it the role multiboot")}
                             : Failure{BootError::of("boot module ", number,
                                                     ": not a Linux bzImage; give the file "
                                                     "that is called vmlinuz or bzImage, not vmlinux")};
        if (role == Word::multiboot1 && !is_multiboot1(bytes))
            return Failure{BootError::of("boot module ", number,
                                         ": no multiboot 1 header in its first 8 KiB; give it the role "
                                         "multiboot or linux, as it is")};
        if (role == Word::multiboot && !multiboot)
            return bzimage ? Failure{BootError::of("boot module ", number,
                                                   ": a Linux bzImage in the role multiboot; "
                                                   "give it the role linux")}
                           : Failure{BootError::of("boot module ", number,
                                                   ": no multiboot header in its first 32 KiB; "
                                                   "give an uncompressed multiboot 1 or 2 image")};
        if (role == Word::disk && !is_boot_sector(bytes))
            return Failure{
                BootError::of("boot module ", number,
                              ": no boot sector, for its first 512 bytes do not end in 55 AA; give "
                              "the drive's first sector, in grub.cfg (hd0)0+1")};
        m_has_kernel = true;
        m_modules.kernel = image;
        if (role == Word::disk) m_modules.kind = L1Kind::bios_disk;
        if (role == Word::multiboot1) m_modules.kind = L1Kind::multiboot1;
        if (role == Word::multiboot)
            m_modules.kind = is_multiboot2(bytes) ? L1Kind::multiboot2 : L1Kind::multiboot1;
        return {};
    }

    PhysicalMemory m_memory;
    BootModules m_modules;
    bool m_has_kernel{false};
};

} // namespace

Result<BootModules, BootError> sort_modules(const boot::BootInfo& info, const PhysicalMemory& memory) {
    ModuleSorter sorter{memory};
    std::size_t number{0};
    for (const boot::BootModule& module : info.modules())
        if (const auto done = sorter.add(++number, module); !done) return Failure{done.error()};
    return sorter.finish();
}

} // namespace shadowtune::l1
