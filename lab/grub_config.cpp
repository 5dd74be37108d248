#include "lab/grub_config.hpp"

#include "lab/failure.hpp"

#include <fmt/format.h>

namespace shadowtune::lab {
namespace {

[[nodiscard]] std::string with_space(const std::string& words) {
    return words.empty() ? words : " " + words;
}

[[nodiscard]] std::string module_words(const Module& module) {
    return with_space(grub_words(module.arguments, "--module"));
}

[[nodiscard]] std::string bare_config(const RunOptions& options, ImageKind l1, const std::string& cmdline) {
    if (options.l1_kind == L1Kind::linux_bzimage) {
        auto text = fmt::format("linux /boot/l1{}\n", cmdline);
        if (!options.initrd.empty()) text += "initrd /boot/initrd\n";
        return text;
    }
    const std::string_view version = l1 == ImageKind::multiboot2 && !options.multiboot1 ? "2" : "";
    // Multiboot tells L1 the BIOS drive that it comes from: its disk, if it has one.
    const bool has_disk = !options.disk.empty();
    const std::string_view files = has_disk ? "($cd)/boot" : "/boot";
    auto text = has_disk ? std::string{"set cd=$root\nset root=hd0\n"} : std::string{};
    text += fmt::format("multiboot{} {}/l1{}\n", version, files, cmdline);
    for (std::size_t i = 0; i < options.modules.size(); ++i) {
        text += fmt::format("module{} {}/mod{}{}\n", version, files, i, module_words(options.modules[i]));
    }
    return text;
}

[[nodiscard]] std::string vmm_config(const RunOptions& options, const std::string& cmdline) {
    // "lab": L0 powers the machine off where it would leave a real one halted, so that the run ends.
    auto text = fmt::format("multiboot2 /boot/vmm.elf lab{}\n",
                            with_space(grub_words(options.vmm_arguments, "--vmm-args")));
    switch (options.l1_kind) {
    case L1Kind::linux_bzimage: text += fmt::format("module2 /boot/l1 linux{}\n", cmdline); break;
    case L1Kind::multiboot:
        text +=
            fmt::format("module2 /boot/l1 {}{}\n", options.multiboot1 ? "multiboot1" : "multiboot", cmdline);
        break;
    // The VMM reads no disks: the boot loader gives it the boot sector.
    case L1Kind::bios_disk: text += "module2 (hd0)0+1 disk 0x80\n"; break;
    }
    if (!options.initrd.empty()) text += "module2 /boot/initrd initrd\n";
    for (std::size_t i = 0; i < options.modules.size(); ++i) {
        text += fmt::format("module2 /boot/mod{} module{}\n", i, module_words(options.modules[i]));
    }
    if (!options.profile.empty()) text += "module2 /boot/profile profile\n";
    return text;
}

} // namespace

std::string grub_quote(std::string_view text) {
    std::string quoted{"'"};
    for (const char c : text) {
        // Single quotes keep everything but themselves: close, escape one, open again.
        if (c == '\'') {
            quoted += "'\\''";
        } else {
            quoted += c;
        }
    }
    return quoted + "'";
}

std::string grub_words(std::string_view cmdline, std::string_view option) {
    std::string words;
    std::string word;
    bool in_quotes = false;
    bool in_word = false;
    const auto flush = [&] {
        if (in_word) words += (words.empty() ? "" : " ") + grub_quote(word);
        word.clear();
        in_word = false;
    };
    for (const char c : cmdline) {
        if (c == '\\' || c == '\'' || static_cast<unsigned char>(c) < 0x20) {
            throw Failure{ExitCode::usage,
                          fmt::format("{} '{}' holds a backslash, a single quote or a control character, "
                                      "which GRUB cannot pass on: leave it out",
                                      option, cmdline)};
        }
        if (c == '"') {
            in_quotes = !in_quotes;
            in_word = true;
        } else if (c == ' ' && !in_quotes) {
            flush();
        } else {
            word += c;
            in_word = true;
        }
    }
    if (in_quotes) {
        throw Failure{ExitCode::usage,
                      fmt::format("{} '{}' has an open double quote: close it", option, cmdline)};
    }
    flush();
    return words;
}

std::string grub_config(const RunOptions& options, ImageKind l1) {
    const auto cmdline = with_space(grub_words(options.cmdline, "--cmdline"));
    // No menu and no wait; a failed line falls through to the console, where the run's time limit ends it.
    return "set timeout=0\n" +
           (options.bare ? bare_config(options, l1, cmdline) : vmm_config(options, cmdline)) + "boot\n";
}

} // namespace shadowtune::lab
