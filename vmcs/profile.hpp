#pragma once

// A profile as L0 sees it: which fields are read-shadowed and write-shadowed, and the rules it must keep.
// The tools check the same rules before they send one; L0 checks again, since it trusts nobody.

#include "vmcs/field_set.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::vmcs {

struct ShadowSets {
    FieldSet read;  // R: VMREAD without VM exit
    FieldSet write; // W: VMWRITE without VM exit; W is a subset of R

    [[nodiscard]] FieldSet hot_set() const { return read | write; }
    // Fields copied per round trip: R from vmcs12 to the shadow VMCS, W back.
    [[nodiscard]] constexpr std::size_t synced() const { return read.count() + write.count(); }
    [[nodiscard]] friend constexpr bool operator==(const ShadowSets&, const ShadowSets&) = default;
};

// What a profile is checked against: the machine and the L1 it is meant for.
struct ProfileTarget {
    FieldSet offered; // fields that L1 is offered and the processor has
    bool vmwrite_any_field{
        false}; // L1 sees IA32_VMX_MISC[29]: VMWRITE to read-only data fields (Vol. 3D, A.6)
};

enum class ProfileRule : std::uint8_t {
    field_not_offered,      // the processor lacks the field, or L1 is not offered it
    never_shadowed,         // the catalogue forbids it altogether
    write_not_allowed,      // the catalogue allows reads only
    write_without_read,     // W must be a subset of R
    read_only_data_written, // read-only data may be write-shadowed only with IA32_VMX_MISC[29]
    // Of bitmap pages, which can say more than sets can (vmcs/bitmap_check.hpp):
    high_half_differs,      // a 64-bit field's high half must be as the full field
    unknown_encoding_passed // an encoding that no field has must trap
};

[[nodiscard]] constexpr std::string_view describe(ProfileRule rule) {
    switch (rule) {
    case ProfileRule::field_not_offered: return "the L1 is not offered this field on this processor";
    case ProfileRule::never_shadowed: return "this field may never be shadowed";
    case ProfileRule::write_not_allowed: return "writes of this field may not be shadowed";
    case ProfileRule::write_without_read: return "a write-shadowed field must be read-shadowed too";
    case ProfileRule::read_only_data_written:
        return "read-only data may be write-shadowed only where L1 sees IA32_VMX_MISC[29]";
    case ProfileRule::high_half_differs:
        return "a high half must be shadowed where its full field is, and only there";
    case ProfileRule::unknown_encoding_passed: return "an encoding that no field has must trap";
    }
    return {};
}

struct ProfileError {
    ProfileRule rule{};
    FieldIndex field{no_field}; // the first field, in catalogue order, that breaks a rule
    Encoding encoding{0};       // of that field, or the one that no field has
};

[[nodiscard]] constexpr Result<void, ProfileError> validate(const ShadowSets& sets,
                                                            const ProfileTarget& target) {
    const FieldSet all{sets.read | sets.write};
    ProfileError error{};
    bool broken{false};
    all.for_each([&](FieldIndex index) {
        if (broken) return;
        const FieldInfo& field{catalogue[index]};
        const bool written{sets.write.test(index)};
        const auto fail = [&](ProfileRule rule) {
            broken = true;
            error = {rule, index, field.encoding};
        };
        if (!may_shadow_read(field.shadowing)) return fail(ProfileRule::never_shadowed);
        if (written && !may_shadow_write(field.shadowing)) return fail(ProfileRule::write_not_allowed);
        if (!target.offered.test(index)) return fail(ProfileRule::field_not_offered);
        if (written && !sets.read.test(index)) return fail(ProfileRule::write_without_read);
        if (written && field.type == Type::read_only_data && !target.vmwrite_any_field) {
            return fail(ProfileRule::read_only_data_written);
        }
    });
    if (broken) return Failure{error};
    return {};
}

// Everything the rules allow on this target: the most that can be shadowed.
[[nodiscard]] constexpr ShadowSets everything_allowed(const ProfileTarget& target) {
    ShadowSets sets{};
    target.offered.for_each([&](FieldIndex index) {
        const FieldInfo& field{catalogue[index]};
        if (may_shadow_read(field.shadowing)) sets.read.set(index);
        const bool read_only{field.type == Type::read_only_data && !target.vmwrite_any_field};
        if (may_shadow_write(field.shadowing) && !read_only) sets.write.set(index);
    });
    return sets;
}

// What of these sets the rules allow on this target.
[[nodiscard]] constexpr ShadowSets allowed_part(const ShadowSets& sets, const ProfileTarget& target) {
    const ShadowSets allowed{everything_allowed(target)};
    const FieldSet read{sets.read & allowed.read};
    return {read, sets.write & allowed.write & read};
}

} // namespace shadowtune::vmcs
