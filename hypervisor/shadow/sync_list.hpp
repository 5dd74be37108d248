#pragma once

// The members of a set of fields one behind the other, with what a copy needs of each: for the fields that
// are synced at each round trip.

#include "vmcs/field_set.hpp"

#include <cstddef>
#include <span>

namespace shadowtune::shadow {

struct SyncField {
    vmcs::Encoding encoding;
    vmcs::FieldIndex index;
};

class SyncList {
public:
    constexpr void assign(const vmcs::FieldSet& fields) {
        m_set = fields;
        m_count = 0;
        fields.for_each([this](vmcs::FieldIndex index) {
            m_fields[m_count++] = {vmcs::catalogue[index].encoding, index};
        });
    }

    [[nodiscard]] constexpr const vmcs::FieldSet& set() const { return m_set; }
    [[nodiscard]] constexpr std::span<const SyncField> fields() const { return {m_fields, m_count}; }

private:
    vmcs::FieldSet m_set{};
    std::size_t m_count{0};
    SyncField m_fields[vmcs::field_count]{};
};

} // namespace shadowtune::shadow
