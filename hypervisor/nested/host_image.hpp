#pragma once

// What a VM exit of L2 loads into L1's state by vmcs12's host state alone: made when L1 has changed that
// state, written to vmcs01 at every exit. SDM Vol. 3C, 28.5 "Loading Host State" (edition 325462-087).

#include "hypervisor/nested/vmcs12_values.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

// The fields of vmcs01 that an exit writes. The last five are filled in at each exit: they hang on the state
// at the exit as well, or L1 writes them too often for the image to be made anew each time (RSP).
inline constexpr std::array host_image_fields{
    F::guest_es_selector,
    F::guest_es_base,
    F::guest_es_limit,
    F::guest_es_access_rights,
    F::guest_cs_selector,
    F::guest_cs_base,
    F::guest_cs_limit,
    F::guest_cs_access_rights,
    F::guest_ss_selector,
    F::guest_ss_base,
    F::guest_ss_limit,
    F::guest_ss_access_rights,
    F::guest_ds_selector,
    F::guest_ds_base,
    F::guest_ds_limit,
    F::guest_ds_access_rights,
    F::guest_fs_selector,
    F::guest_fs_base,
    F::guest_fs_limit,
    F::guest_fs_access_rights,
    F::guest_gs_selector,
    F::guest_gs_base,
    F::guest_gs_limit,
    F::guest_gs_access_rights,
    F::guest_tr_selector,
    F::guest_tr_base,
    F::guest_tr_limit,
    F::guest_tr_access_rights,
    F::guest_ldtr_selector,
    F::guest_ldtr_access_rights,
    F::guest_gdtr_base,
    F::guest_gdtr_limit,
    F::guest_idtr_base,
    F::guest_idtr_limit,
    F::guest_cr3,
    F::guest_cr4,
    F::cr4_read_shadow,
    F::guest_rip,
    F::guest_rflags,
    F::guest_dr7,
    F::guest_ia32_debugctl,
    F::guest_ia32_sysenter_cs,
    F::guest_ia32_sysenter_esp,
    F::guest_ia32_sysenter_eip,
    F::guest_activity_state,
    F::guest_pending_debug_exceptions,
    F::guest_cr0,
    F::cr0_read_shadow,
    F::guest_ia32_efer,
    F::guest_rsp,
    F::guest_interruptibility_state,
};

// Where the image has it, which has it.
[[nodiscard]] constexpr std::size_t place_in_image(F field) {
    std::size_t place{0};
    while (host_image_fields[place] != field)
        ++place;
    return place;
}

struct HostImage {
    std::uint64_t values[host_image_fields.size()]{};
    bool is_64bit{false};
    bool has_pae_paging{false}; // the PDPTEs are loaded from memory then (28.5.4)

    template <F field>
    void set(std::uint64_t value) {
        constexpr std::size_t place{place_in_image(field)};
        values[place] = value;
    }

    [[nodiscard]] friend bool operator==(const HostImage&, const HostImage&) = default;
};

[[nodiscard]] HostImage make_host_image(const Vmcs12Values& vmcs12);

} // namespace shadowtune::nested
