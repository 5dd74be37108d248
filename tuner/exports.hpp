#pragma once

// A profile in the forms that other programs take. docs/exports.md describes each.

#include "tuner/profile_file.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace shadowtune::tuner {

// The VMREAD bitmap and the VMWRITE bitmap, 4 KiB each, as SDM Vol. 3C, 25.6.15 has them.
[[nodiscard]] std::string to_pages(const vmcs::ShadowSets& sets);

// The boot module of the VMM.
[[nodiscard]] std::string to_image_bytes(const Profile& profile);

// The same with the fingerprints of the L1s that it is for.
[[nodiscard]] std::string to_module_bytes(const Profile& profile);

// vmcs_shadow_fields.h of Linux' KVM.
[[nodiscard]] std::string to_kvm_header(const Profile& profile);

// Two arrays of encodings for Xen's nested VMX: what each bitmap lets pass, high halves as well.
[[nodiscard]] std::string to_xen_fragment(const Profile& profile);

// One line for each field of the hot set.
[[nodiscard]] std::string to_csv(const Profile& profile);

// One line for each point of the curve of cost against size; without one the title alone.
[[nodiscard]] std::string curve_to_csv(const Profile& profile);

// A report for people: what each field gains, by the costs that the profile was made with.
[[nodiscard]] std::string to_markdown(const Profile& profile);

// In the form of this name: json, image, module, pages, kvm, xen, csv, curve or markdown. None for another
// name, and for the curve of a profile that has none.
[[nodiscard]] std::optional<std::string> export_as(const Profile& profile, std::string_view form);

// A text from outside as it may stand in a comment of C.
[[nodiscard]] std::string comment_text(std::string_view text);

} // namespace shadowtune::tuner
