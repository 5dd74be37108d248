#pragma once

// The operands of VMREAD and VMWRITE that exited, of L1 or of L2: which field, from where, to where. SDM Vol.
// 3C, 31.3 and 28.2.5, Table 28-14 (edition 325462-087).

#include "hypervisor/nested/guest.hpp"

#include <cstdint>

namespace shadowtune::nested {

struct FieldPart {
    vmcs::FieldIndex field{vmcs::no_field}; // also where the field exists, but L1 is not offered it
    bool high_half{false};
};

struct FieldAccess {
    DecodedOperands operands{};
    bool long_mode{false};
    FieldPart part{};

    [[nodiscard]] unsigned bytes() const { return long_mode ? 8 : 4; }
    [[nodiscard]] std::uint64_t operand_mask() const { return long_mode ? ~std::uint64_t{0} : 0xFFFF'FFFF; }
};

[[nodiscard]] FieldAccess decode_field_access(Vcpu& vcpu);

// The source of VMWRITE and the destination of VMREAD; false where a fault, or an exit of L2, came of it
// instead.
[[nodiscard]] bool read_source(Vcpu& vcpu, const FieldAccess& access, std::uint64_t& value);
[[nodiscard]] bool write_destination(Vcpu& vcpu, const FieldAccess& access, std::uint64_t value);

// What VMREAD gives and VMWRITE leaves of a field's `value`: its whole, or one half of it.
[[nodiscard]] std::uint64_t part_of(FieldPart part, std::uint64_t value);
[[nodiscard]] std::uint64_t with_part(FieldPart part, std::uint64_t value, std::uint64_t written);

} // namespace shadowtune::nested
