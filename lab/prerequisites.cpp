#include "lab/prerequisites.hpp"

#include "lab/bochs_config.hpp"
#include "lab/boot_image.hpp"
#include "lab/failure.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <sstream>
#include <string>
#include <unistd.h>

namespace shadowtune::lab {
namespace {

[[nodiscard]] bool is_in_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::istringstream directories{path != nullptr ? path : "/usr/bin:/bin"};
    for (std::string directory; std::getline(directories, directory, ':');) {
        if (::access((std::filesystem::path{directory} / program).c_str(), X_OK) == 0) return true;
    }
    return false;
}

void need_program(const std::string& program, std::string_view package) {
    if (is_in_path(program)) return;
    throw Failure{ExitCode::not_ready,
                  fmt::format("'{}' is not installed (package {}): run scripts/setup", program, package)};
}

void need_file(std::string_view file, std::string_view package) {
    if (::access(std::string{file}.c_str(), R_OK) == 0) return;
    throw Failure{ExitCode::not_ready,
                  fmt::format("{} is missing (package {}): run scripts/setup", file, package)};
}

[[nodiscard]] Failure wrong_kind(const std::filesystem::path& file, std::string_view role, ImageKind found,
                                 std::string_view wanted) {
    return Failure{ExitCode::bad_image,
                   fmt::format("the {} '{}' is a {}, not a {}", role, file.string(), name_of(found), wanted)};
}

[[nodiscard]] ImageKind check_l1(const RunOptions& options) {
    const auto kind = image_kind_of(options.l1, "L1 image");
    const bool is_linux = kind == ImageKind::linux_bzimage;
    if (options.l1_kind == L1Kind::linux_bzimage && !is_linux) {
        throw wrong_kind(
            options.l1, "L1 image", kind,
            "Linux bzImage: give a vmlinuz ('scripts/setup' fetches one), or --l1 multiboot:ELF");
    }
    if (options.l1_kind == L1Kind::multiboot && kind != ImageKind::multiboot1 &&
        kind != ImageKind::multiboot2) {
        throw wrong_kind(options.l1, "L1 image", kind,
                         "multiboot image: give an ELF with a multiboot header, or --l1 linux:BZIMAGE");
    }
    if (options.l1_kind == L1Kind::bios_disk && kind == ImageKind::unknown) {
        throw wrong_kind(options.l1, "L1 image", kind,
                         "boot disk: give a disk image whose first sector ends in 55 AA");
    }
    return kind;
}

} // namespace

ImageKind check_prerequisites(const RunOptions& options) {
    need_program("bochs", "bochs");
    need_file(bios_path, "bochsbios");
    need_file(vga_bios_path, "bochsbios");
    if (!boots_from_disk(options)) {
        need_program("grub-mkrescue", "grub-common");
        need_program("xorriso", "xorriso");
        need_file(std::string{grub_modules_path} + "/moddep.lst", "grub-pc-bin");
    }

    const auto l1 = check_l1(options);
    if (!options.disk.empty()) static_cast<void>(image_kind_of(options.disk, "disk image"));
    if (!options.initrd.empty()) static_cast<void>(image_kind_of(options.initrd, "initrd"));
    for (const auto& module : options.modules)
        static_cast<void>(image_kind_of(module.file, "boot module"));
    if (!options.bare) {
        const auto vmm = image_kind_of(options.vmm, "VMM (--vmm)");
        if (vmm != ImageKind::multiboot2) {
            throw wrong_kind(options.vmm, "VMM", vmm,
                             "multiboot 2 image: give the build's shadowtune-vmm.elf");
        }
    }
    return l1;
}

} // namespace shadowtune::lab
