#include "hypervisor/boot/give_up.hpp"

#include "hypervisor/boot/archive.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/standstill.hpp"
#include "hypervisor/nested/unswitched_state.hpp"

namespace shadowtune::boot {

namespace {

void leave_vmx_operation(nested::Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    vcpu.shadow.destroy(hw);
    hw.clear(vcpu.vmcs02.region);
    hw.clear(vcpu.vmcs01.region);
    vmx::vmxoff();
    nested::reset_unswitched_state();
}

} // namespace

void give_up(nested::Vcpu& vcpu, std::uint32_t awaited_crc) {
    Archive& kept{*archive()};
    kept.called = 0;
    kept.parked = 0;
    for (std::size_t i{1}; i < vcpu.machine.vcpu_count; ++i) {
        const auto leave{[](nested::Vcpu& own, void*) {
            leave_vmx_operation(own);
            park(own.number);
        }};
        nested::begin_share(*vcpu.machine.vcpus[i], leave, nullptr);
        while (kept.parked != i)
            cpu::pause();
    }
    leave_vmx_operation(vcpu);
    start_anew(awaited_crc);
}

} // namespace shadowtune::boot
