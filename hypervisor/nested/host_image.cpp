#include "hypervisor/nested/host_image.hpp"

#include "hypervisor/vmx/controls.hpp"

#include <cstddef>

namespace shadowtune::nested {

namespace {

// 28.5.2: the fixed attributes of the segments that an exit loads.
constexpr std::uint64_t code64{0xA09B}, code32{0xC09B}, data{0xC093}, busy_tss{0x8B}, unusable{1U << 16};
constexpr std::uint64_t four_gib_limit{0xFFFF'FFFF}, tss_limit{0x67}, table_limit{0xFFFF};
// 28.5.1 and 28.5.3.
constexpr std::uint64_t rflags_fixed{0x2}, dr7_fixed{0x400};
constexpr std::uint64_t cr4_pae{1U << 5}, cr4_pcide{1U << 17};

template <F selector, F base, F limit, F rights>
void set_data_segment(HostImage& image, std::uint64_t selector12, std::uint64_t base12) {
    image.set<selector>(selector12);
    image.set<base>(base12);
    image.set<limit>(four_gib_limit);
    image.set<rights>(selector12 == 0 ? unusable : data);
}

} // namespace

HostImage make_host_image(const Vmcs12Values& vmcs12) {
    HostImage image{};
    const auto host{[&](F field) { return vmcs12.get(field); }};
    const std::uint32_t exit12{vmcs12.get32(F::primary_vm_exit_controls)};
    image.is_64bit = (exit12 & vmx::exit::host_address_space_size) != 0;

    set_data_segment<F::guest_es_selector, F::guest_es_base, F::guest_es_limit, F::guest_es_access_rights>(
        image, host(F::host_es_selector), 0);
    set_data_segment<F::guest_ss_selector, F::guest_ss_base, F::guest_ss_limit, F::guest_ss_access_rights>(
        image, host(F::host_ss_selector), 0);
    set_data_segment<F::guest_ds_selector, F::guest_ds_base, F::guest_ds_limit, F::guest_ds_access_rights>(
        image, host(F::host_ds_selector), 0);
    set_data_segment<F::guest_fs_selector, F::guest_fs_base, F::guest_fs_limit, F::guest_fs_access_rights>(
        image, host(F::host_fs_selector), host(F::host_fs_base));
    set_data_segment<F::guest_gs_selector, F::guest_gs_base, F::guest_gs_limit, F::guest_gs_access_rights>(
        image, host(F::host_gs_selector), host(F::host_gs_base));
    image.set<F::guest_cs_selector>(host(F::host_cs_selector));
    image.set<F::guest_cs_limit>(four_gib_limit);
    image.set<F::guest_cs_access_rights>(image.is_64bit ? code64 : code32);
    image.set<F::guest_tr_selector>(host(F::host_tr_selector));
    image.set<F::guest_tr_base>(host(F::host_tr_base));
    image.set<F::guest_tr_limit>(tss_limit);
    image.set<F::guest_tr_access_rights>(busy_tss);
    image.set<F::guest_ldtr_access_rights>(unusable);
    image.set<F::guest_gdtr_base>(host(F::host_gdtr_base));
    image.set<F::guest_gdtr_limit>(table_limit);
    image.set<F::guest_idtr_base>(host(F::host_idtr_base));
    image.set<F::guest_idtr_limit>(table_limit);

    const std::uint64_t cr4{image.is_64bit ? host(F::host_cr4) | cr4_pae : host(F::host_cr4) & ~cr4_pcide};
    image.has_pae_paging = !image.is_64bit && (cr4 & cr4_pae) != 0;
    image.set<F::guest_cr3>(host(F::host_cr3));
    image.set<F::guest_cr4>(cr4);
    image.set<F::cr4_read_shadow>(cr4);
    image.set<F::guest_rip>(host(F::host_rip));
    image.set<F::guest_rflags>(rflags_fixed);
    image.set<F::guest_dr7>(dr7_fixed);
    image.set<F::guest_ia32_sysenter_cs>(host(F::host_ia32_sysenter_cs));
    image.set<F::guest_ia32_sysenter_esp>(host(F::host_ia32_sysenter_esp));
    image.set<F::guest_ia32_sysenter_eip>(host(F::host_ia32_sysenter_eip));
    return image;
}

} // namespace shadowtune::nested
