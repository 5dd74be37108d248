#pragma once

// What an exit of L2 brings to L1 at once: the fields of R that it leaves in vmcs02 go to vmcs12 and to the
// shadow VMCS; the rest stays in vmcs02 until L1 asks for it. The common exit goes by a list that is made
// when the bitmaps or the plan have changed.
//
// `Hardware` is vmx::Hardware, or a model of it in tests.

#include "hypervisor/shadow/shadow_vmcs.hpp"
#include "hypervisor/shadow/sync_list.hpp"

#include <cstdint>

namespace shadowtune::shadow {

class Delivery {
public:
    // The bitmaps or the plan have changed.
    void forget() { m_is_current = false; }

    // An exit that leaves `left` in vmcs02, while the shadow VMCS holds R but for what has moved since.
    // Leaves no VMCS that L1 or L2 uses current.
    template <typename Hardware>
    void deliver_exit(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& reads,
                      const vmcs::FieldSet& left, ShadowVmcs& shadow, nested::Vmcs12& vmcs12) {
        if (!m_is_current) [[unlikely]] {
            vmcs12.left_in_vmcs02(left);
            return prepare(hardware, vmcs02, reads, left, shadow, vmcs12);
        }
        if (vmcs12.has_moved()) [[unlikely]] {
            const vmcs::FieldSet others{(reads & vmcs12.moved()) - m_list.set()};
            shadow.deliver(hardware, m_list, &others, vmcs12);
            vmcs12.forget_moved();
        } else {
            shadow.deliver(hardware, m_list, nullptr, vmcs12);
        }
        vmcs12.only_left_in_vmcs02(m_stays);
    }

    // The same by the sets, whatever the shadow VMCS holds; the next exit goes by the list.
    template <typename Hardware>
    void prepare(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& reads,
                 const vmcs::FieldSet& left, ShadowVmcs& shadow, nested::Vmcs12& vmcs12) {
        // What the controls of before left in vmcs02, and those of now do not, would be forgotten there.
        fetch(hardware, vmcs02, vmcs12.in_vmcs02() - left, vmcs12);
        deliver_all(hardware, vmcs02, reads, shadow, vmcs12);
        m_list.assign(reads & left);
        m_stays = left - reads;
        m_is_current = true;
    }

    // All of R, whatever the shadow VMCS holds of it.
    template <typename Hardware>
    static void deliver_all(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& reads,
                            ShadowVmcs& shadow, nested::Vmcs12& vmcs12) {
        fetch(hardware, vmcs02, reads & vmcs12.in_vmcs02(), vmcs12);
        shadow.fill(hardware, reads, vmcs12);
        vmcs12.forget_moved();
    }

private:
    template <typename Hardware>
    static void fetch(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& fields,
                      nested::Vmcs12& vmcs12) {
        if (fields.empty()) return;
        hardware.make_current(vmcs02);
        fields.for_each([&](vmcs::FieldIndex field) {
            vmcs12.fetched(field, hardware.read(vmcs::catalogue[field].encoding));
        });
    }

    SyncList m_list{};        // the fields of R that an exit leaves in vmcs02
    vmcs::FieldSet m_stays{}; // the others that it leaves there
    bool m_is_current{false};
};

} // namespace shadowtune::shadow
