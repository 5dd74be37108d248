#include "hypervisor/nested/l2_memory.hpp"

#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_ept.hpp"
#include "hypervisor/vmx/exit_information.hpp"

namespace shadowtune::nested {

namespace {

namespace violation = vmx::ept_violation;

// The paging-structure entries of L2. The first access that L1's EPT does not allow is kept, and the walk
// goes on over entries that are not present, to its end.
class L2Tables {
public:
    explicit L2Tables(Vcpu& vcpu) : m_vcpu{vcpu} {}

    [[nodiscard]] std::uint64_t read64(std::uint64_t guest_physical) {
        std::uint64_t address{};
        return find(guest_physical, violation::read, address) ? m_vcpu.machine.l1.read64(address) : 0;
    }
    [[nodiscard]] std::uint32_t read32(std::uint64_t guest_physical) {
        std::uint64_t address{};
        return find(guest_physical, violation::read, address) ? m_vcpu.machine.l1.read32(address) : 0;
    }
    void write64(std::uint64_t guest_physical, std::uint64_t value) {
        std::uint64_t address{};
        if (find(guest_physical, violation::write, address)) m_vcpu.machine.l1.write64(address, value);
    }
    void write32(std::uint64_t guest_physical, std::uint32_t value) {
        std::uint64_t address{};
        if (find(guest_physical, violation::write, address)) m_vcpu.machine.l1.write32(address, value);
    }

    [[nodiscard]] bool failed() const { return m_failed; }
    [[nodiscard]] const EptWalk& walk() const { return m_walk; }
    [[nodiscard]] std::uint64_t guest_physical() const { return m_guest_physical; }

private:
    [[nodiscard]] bool find(std::uint64_t guest_physical, std::uint64_t access, std::uint64_t& address) {
        if (m_failed) return false;
        const std::uint64_t eptp12{m_vcpu.vmcs12.get(F::ept_pointer)};
        m_walk = walk_for_l2(m_vcpu, guest_physical, page_walk_access(eptp12, access));
        m_guest_physical = guest_physical;
        m_failed = m_walk.outcome != EptOutcome::ok;
        address = m_walk.address;
        return !m_failed;
    }

    Vcpu& m_vcpu;
    bool m_failed{false};
    EptWalk m_walk{};
    std::uint64_t m_guest_physical{0};
};

} // namespace

bool translate_l2_linear(Vcpu& vcpu, const memory::PagingState& state, std::uint64_t linear, bool write,
                         std::uint64_t& l1_physical) {
    L2Tables tables{vcpu};
    const auto translated{memory::translate(tables, state, linear, write)};
    if (tables.failed()) {
        report_ept_fault(vcpu, tables.walk(),
                         {tables.guest_physical(), linear, violation::linear_address_valid});
        return false;
    }
    if (!translated.present) {
        inject_page_fault(vcpu, linear, translated.error_code);
        return false;
    }
    const EptWalk walk{walk_for_l2(vcpu, translated.physical, write ? violation::write : violation::read)};
    l1_physical = walk.address;
    if (walk.outcome == EptOutcome::ok) return true;
    report_ept_fault(
        vcpu, walk, {translated.physical, linear, violation::linear_address_valid | violation::final_access});
    return false;
}

} // namespace shadowtune::nested
