#include "lab/boot_image.hpp"

#include "lab/bochs_config.hpp"
#include "lab/child.hpp"
#include "lab/failure.hpp"
#include "lab/grub_config.hpp"

#include <fmt/format.h>

namespace shadowtune::lab {
namespace {

// The last line that is not empty: where grub-mkrescue and xorriso put their reason.
[[nodiscard]] std::string last_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

} // namespace

void make_boot_image(const RunOptions& options, ImageKind l1, const WorkDir& work) {
    if (!disk_of(options).empty()) work.copy(disk_of(options), disk_name, "disk image");
    if (boots_from_disk(options)) return;
    work.write("iso/boot/grub/grub.cfg", grub_config(options, l1));
    if (options.l1_kind != L1Kind::bios_disk) work.copy(options.l1, "iso/boot/l1", "L1 image");
    if (!options.initrd.empty()) work.copy(options.initrd, "iso/boot/initrd", "initrd");
    for (std::size_t i = 0; i < options.modules.size(); ++i) {
        work.copy(options.modules[i].file, fmt::format("iso/boot/mod{}", i), "boot module");
    }
    if (!options.bare) {
        work.copy(options.vmm, "iso/boot/vmm.elf", "VMM");
        if (!options.profile.empty()) work.write("iso/boot/profile", options.profile);
    }
    // Only the modules that the configuration needs, and nothing for other firmware: half a second instead of
    // several.
    Child child{{.command = {"grub-mkrescue", "-d", std::string{grub_modules_path},
                             "--fonts=", "--locales=", "--themes=", "--compress=no",
                             "--install-modules=normal linux multiboot multiboot2 iso9660 biosdisk", "-o",
                             "boot.iso", "iso"},
                 .directory = work.path(),
                 .standard_output = -1,
                 .error_file = work.path() / "grub-mkrescue.log"}};
    if (child.wait() != 0 || !std::filesystem::exists(work.path() / "boot.iso")) {
        throw Failure{ExitCode::not_ready,
                      fmt::format("grub-mkrescue cannot make the boot image ({}): run scripts/setup, and "
                                  "check that {} has room",
                                  last_line(read_text(work.path() / "grub-mkrescue.log")),
                                  work.path().parent_path().string())};
    }
}

} // namespace shadowtune::lab
