#pragma once

// What vmcs12's controls make of each round trip. Made when L1 has changed one of them (the dirty group
// `controls`), so that an entry or an exit asks one flag where it would have to take control words apart.

#include "hypervisor/nested/vmcs12_values.hpp"
#include "vmcs/field_set.hpp"

#include <cstdint>

namespace shadowtune::nested {

struct Plan {
    // Guest state and exit information that an exit leaves in vmcs02 for L1 (28.2, 28.3), if it is offered.
    vmcs::FieldSet left_by_exit{};

    bool has_ept{false};
    bool has_vpid{false};
    bool uses_msr_bitmap{false};
    bool uses_io_bitmaps{false};

    // Entries.
    bool reads_vtpr{false}; // 27.2.1.1: the TPR threshold is compared with memory
    bool reads_link{false}; // 27.3.1.5: a link pointer that names a VMCS
    bool loads_msr_list{false};
    bool loads_efer{false};
    bool loads_debug_controls{false};
    bool loads_pat{false};
    bool reloads_pat{false};  // ... and no exit saves it, as KVM has it: L2's own value lasts until an exit
    bool switches_pat{false}; // L2 has an IA32_PAT of its own
    bool starts_timer{false};
    bool flushes_vpid{false};        // no VPID of L2's own
    bool looks_beyond_vmcs12{false}; // at memory, before L2 runs
    bool forgets_dirty_pages{false};

    // Exits.
    bool saves_timer{false};
    bool stores_msr_list{false};
    bool loads_host_msr_list{false};
    bool loads_host_efer{false};
    bool has_virtual_nmis{false};
    bool exits_plainly{false}; // no list, no timer to save; host EFER, virtual NMIs and a VPID

    [[nodiscard]] friend bool operator==(const Plan&, const Plan&) = default;
};

[[nodiscard]] Plan make_plan(const Vmcs12Values& vmcs12, const vmcs::FieldSet& offered);

} // namespace shadowtune::nested
