#pragma once

// A profile out of the forms that others write it in (tuner/exports.hpp). Each is checked by every rule that
// holds on all machines.

#include "tuner/profile_file.hpp"

#include <string>
#include <string_view>

namespace shadowtune::tuner {

enum class ImportForm : std::uint8_t { json, image, pages, kvm, xen, csv };

// By what is in it; error where it is none of them.
[[nodiscard]] Result<ImportForm, ProfileFileError> form_of(std::string_view bytes, const std::string& where);

// `where` names the file in error lines. Of forms that carry none the name is empty.
[[nodiscard]] Result<Profile, ProfileFileError> import_profile(std::string_view bytes, ImportForm form,
                                                               const std::string& where);

} // namespace shadowtune::tuner
