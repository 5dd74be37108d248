// The grub.cfg that boots L1, under the VMM or bare.
#pragma once

#include "lab/image_kind.hpp"
#include "lab/options.hpp"

#include <string>
#include <string_view>

namespace shadowtune::lab {

// `text` as one word of GRUB's script language, whatever is in it.
[[nodiscard]] std::string grub_quote(std::string_view text);

// A command line, split at spaces outside of double quotes, as quoted words. GRUB puts double quotes around a
// word with a space in it again, and would put a backslash before a quote or a backslash inside a word: such
// characters cannot be passed on, nor can control characters. Throws Failure (usage) for them, naming
// `option`.
[[nodiscard]] std::string grub_words(std::string_view cmdline, std::string_view option);

// The whole file. Images are found at /boot/vmm.elf, /boot/l1, /boot/initrd, /boot/mod0..., /boot/profile.
// The first word of a module's string tells the VMM what it is: linux, initrd, multiboot, module or profile.
[[nodiscard]] std::string grub_config(const RunOptions& options, ImageKind l1);

} // namespace shadowtune::lab
