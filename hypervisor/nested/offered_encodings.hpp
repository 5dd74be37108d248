#pragma once

// Which field an operand of VMREAD or VMWRITE names, by one look: vmcs::find() for each encoding that the
// bitmaps cover, made once.

#include "vmcs/catalogue.hpp"
#include "vmcs/field_set.hpp"

#include <cstdint>

namespace shadowtune::nested {

class OfferedEncodings {
public:
    void make(const vmcs::FieldSet& offered) {
        for (std::uint32_t encoding{0}; encoding < vmcs::encodings_in_bitmap; ++encoding) {
            const vmcs::FieldIndex field{vmcs::find(encoding)};
            m_fields[encoding] = field != vmcs::no_field && offered.test(field) ? field : vmcs::no_field;
        }
    }

    // no_field where L1 is not offered it, too. `operand` is the whole register value.
    [[nodiscard]] vmcs::FieldIndex find(std::uint64_t operand) const {
        return operand < vmcs::encodings_in_bitmap ? m_fields[operand] : vmcs::no_field;
    }

private:
    vmcs::FieldIndex m_fields[vmcs::encodings_in_bitmap]{};
};

} // namespace shadowtune::nested
