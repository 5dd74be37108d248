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
    // The bitmaps have changed, or the shadow VMCS holds another VMCS' values.
    void forget() {
        m_is_current = false;
        for (Lists& lists : m_lists)
            lists.is_made = false;
    }
    // The plan has changed. An L1 that nests hypervisors has two by turns.
    void forget_plan() { m_is_current = false; }

    // An exit that leaves `left` in vmcs02, while the shadow VMCS holds R but for what has moved since.
    // Leaves no VMCS that L1 or L2 uses current.
    template <typename Hardware>
    void deliver_exit(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& reads,
                      const vmcs::FieldSet& left, ShadowVmcs& shadow, nested::Vmcs12& vmcs12) {
        if (!m_is_current && !find_lists(left, vmcs12)) [[unlikely]] {
            vmcs12.left_in_vmcs02(left);
            return prepare(hardware, vmcs02, reads, left, shadow, vmcs12);
        }
        const Lists& lists{*m_now};
        if (vmcs12.has_moved()) [[unlikely]] {
            const vmcs::FieldSet others{(reads & vmcs12.moved()) - lists.here.set()};
            shadow.deliver_with(hardware, lists.here, others, vmcs12);
            vmcs12.forget_moved();
        } else {
            shadow.deliver(hardware, lists.here, vmcs12);
        }
        vmcs12.only_left_in_vmcs02(lists.stays);
    }

    // Whether the next exit brings the shadow VMCS this field of R in any case: by a list, or all of R.
    [[nodiscard]] bool brings(vmcs::FieldIndex field) const {
        return brings(m_lists[0], field) && brings(m_lists[1], field);
    }

    // The first half of it alone, in mode sample: L1 will ask L0 for these. vmcs02 must be current.
    template <typename Hardware>
    void fetch_exit(Hardware& hardware, const vmcs::FieldSet& left, nested::Vmcs12& vmcs12) {
        vmcs::FieldSet changed{};
        if (!m_is_current && !find_lists(left, vmcs12)) {
            vmcs12.note_changed(changed);
            return vmcs12.left_in_vmcs02(left);
        }
        hardware.read_all(m_now->here.fields(), [&](const SyncField& field, std::uint64_t value) {
            if (vmcs12.get(field.index) != value) changed.set(field.index);
            vmcs12.store(field.index, value);
        });
        vmcs12.only_left_in_vmcs02(m_now->stays);
        vmcs12.note_changed(changed);
    }

    // The same by the sets, whatever the shadow VMCS holds; the next exit goes by the lists.
    template <typename Hardware>
    void prepare(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& reads,
                 const vmcs::FieldSet& left, ShadowVmcs& shadow, nested::Vmcs12& vmcs12) {
        // What the controls of before left in vmcs02, and those of now do not, would be forgotten there.
        fetch(hardware, vmcs02, vmcs12.in_vmcs02() - left, vmcs12);
        deliver_all(hardware, vmcs02, reads, shadow, vmcs12);
        m_now = m_now == &m_lists[0] ? &m_lists[1] : &m_lists[0];
        m_now->left = left;
        m_now->here.assign(reads & left);
        m_now->stays = left - reads;
        m_now->is_made = true;
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
    // Of one plan.
    struct Lists {
        vmcs::FieldSet left{};  // what an exit leaves in vmcs02
        SyncList here{};        // of these, the fields of R
        vmcs::FieldSet stays{}; // of these, the others
        bool is_made{false};
    };

    [[nodiscard]] static bool brings(const Lists& lists, vmcs::FieldIndex field) {
        return !lists.is_made || lists.here.set().test(field);
    }

    template <typename Hardware>
    static void fetch(Hardware& hardware, std::uint64_t vmcs02, const vmcs::FieldSet& fields,
                      nested::Vmcs12& vmcs12) {
        if (fields.empty()) return;
        hardware.make_current(vmcs02);
        fields.for_each([&](vmcs::FieldIndex field) {
            vmcs12.fetched(field, hardware.read(vmcs::catalogue[field].encoding));
        });
    }

    // Whether there are some for this plan, and vmcs02 has nothing that an exit under it does not leave
    // there.
    [[nodiscard]] bool find_lists(const vmcs::FieldSet& left, const nested::Vmcs12& vmcs12) {
        for (Lists& lists : m_lists) {
            if (!lists.is_made || lists.left != left) continue;
            m_now = &lists;
            m_is_current = (vmcs12.in_vmcs02() - left).empty();
            return m_is_current;
        }
        return false;
    }

    Lists m_lists[2]{};
    Lists* m_now{m_lists};
    bool m_is_current{false};
};

} // namespace shadowtune::shadow
