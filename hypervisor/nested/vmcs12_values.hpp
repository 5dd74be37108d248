#pragma once

// The values of a vmcs12, by catalogue index. Plain data, so that decisions about it run and are tested
// hosted.

#include "vmcs/catalogue.hpp"
#include "vmcs/field_set.hpp"

#include <cstdint>

namespace shadowtune::nested {

using F = vmcs::Field; // named on every other line

struct Vmcs12Values {
    std::uint64_t values[vmcs::field_count]{};

    [[nodiscard]] constexpr std::uint64_t get(vmcs::Field field) const {
        return values[vmcs::index_of(field)];
    }
    constexpr void set(vmcs::Field field, std::uint64_t value) { values[vmcs::index_of(field)] = value; }
    [[nodiscard]] constexpr std::uint32_t get32(vmcs::Field field) const {
        return static_cast<std::uint32_t>(get(field));
    }
};

// The fields whose values are not the same in both.
[[nodiscard]] constexpr vmcs::FieldSet difference(const Vmcs12Values& a, const Vmcs12Values& b) {
    vmcs::FieldSet different{};
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        if (a.values[i] != b.values[i]) different.set(static_cast<vmcs::FieldIndex>(i));
    }
    return different;
}

} // namespace shadowtune::nested
