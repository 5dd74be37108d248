// The GRUB ISO that the machine boots from.
#pragma once

#include "lab/image_kind.hpp"
#include "lab/options.hpp"
#include "lab/work_dir.hpp"

#include <string_view>

namespace shadowtune::lab {

inline constexpr std::string_view grub_modules_path = "/usr/lib/grub/i386-pc";

// Makes boot.iso and L1's disk in the work directory, as far as the run needs them. Throws Failure: usage for
// what GRUB cannot pass on, not_ready or internal for what the host lacks.
void make_boot_image(const RunOptions& options, ImageKind l1, const WorkDir& work);

} // namespace shadowtune::lab
