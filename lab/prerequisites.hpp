// What the lab needs of the host, looked at before anything is started.
#pragma once

#include "lab/image_kind.hpp"
#include "lab/options.hpp"

namespace shadowtune::lab {

// Looks for Bochs, its BIOSes, GRUB's modules, xorriso, and at every image. Gives the kind of L1. Throws
// Failure: not_ready or bad_image, naming the mend.
[[nodiscard]] ImageKind check_prerequisites(const RunOptions& options);

} // namespace shadowtune::lab
