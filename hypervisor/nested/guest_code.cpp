#include "hypervisor/nested/guest_code.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/memory/page_walk.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_ept.hpp"

namespace shadowtune::nested {

namespace {

// The guest's physical memory: L1's own, or L2's through L1's EPT.
class GuestMemory {
public:
    explicit GuestMemory(Vcpu& vcpu) : m_vcpu{vcpu}, m_has_ept{vcpu.runs_l2 && l1_uses_ept(vcpu)} {}

    // False where L1's EPT does not allow the access, bits of vmx::ept_violation.
    [[nodiscard]] bool l1_address(std::uint64_t address, std::uint64_t access, std::uint64_t& l1) const {
        l1 = address;
        if (!m_has_ept) return true;
        const EptWalk walk{walk_for_l2(m_vcpu, address, access)};
        l1 = walk.address;
        return walk.outcome == EptOutcome::ok;
    }

    // For memory::translate(). An entry that cannot be reached reads as not present.
    [[nodiscard]] std::uint64_t read64(std::uint64_t address) const {
        std::uint64_t l1{};
        return l1_address(address, vmx::ept_violation::read, l1) ? m_vcpu.machine.l1.read64(l1) : 0;
    }
    [[nodiscard]] std::uint32_t read32(std::uint64_t address) const {
        std::uint64_t l1{};
        return l1_address(address, vmx::ept_violation::read, l1) ? m_vcpu.machine.l1.read32(l1) : 0;
    }
    // Accessed flags: the processor has set them on its own way to these bytes.
    void write64(std::uint64_t, std::uint64_t) const {}
    void write32(std::uint64_t, std::uint32_t) const {}

private:
    Vcpu& m_vcpu;
    bool m_has_ept;
};

// With the rights of a supervisor that no bit keeps out: the processor has checked them.
[[nodiscard]] memory::PagingState permissive_state(Vcpu& vcpu) {
    memory::PagingState state{paging_state(vcpu)};
    state.rflags |= cpu::rflags::ac;
    state.pkru = 0;
    state.pkrs = 0;
    return state;
}

// `access`: read or fetch; where L1's EPT is execute-only, code can be fetched and not be read.
[[nodiscard]] std::size_t copy(Vcpu& vcpu, std::uint64_t linear, std::uint64_t access, std::uint8_t* to,
                               std::size_t size) {
    const memory::PagingState state{permissive_state(vcpu)};
    GuestMemory memory{vcpu};
    std::size_t done{0};
    while (done < size) {
        const std::uint64_t at{linear + done};
        const std::size_t left_in_page{memory::page_size - (at & (memory::page_size - 1))};
        const std::size_t part{size - done < left_in_page ? size - done : left_in_page};
        const auto translated{memory::translate(memory, state, at, false)};
        std::uint64_t l1{};
        if (!translated.present || !memory.l1_address(translated.physical, access, l1)) break;
        vcpu.machine.l1.read(l1, to + done, part);
        done += part;
    }
    return done;
}

} // namespace

GuestCode fetch_guest_code(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    constexpr std::uint64_t code_is_32_bit{1U << 14}; // D/B, Table 25-2
    GuestCode code{};
    const std::uint64_t rights{hw.read(F::guest_cs_access_rights)};
    std::uint64_t linear{hw.read(F::guest_rip)};
    if (in_64bit_mode(vcpu)) {
        code.size = CodeSize::bits64;
    } else {
        code.size = (rights & code_is_32_bit) != 0 ? CodeSize::bits32 : CodeSize::bits16;
        linear = (linear + hw.read(F::guest_cs_base)) & 0xFFFF'FFFF;
    }
    code.count = copy(vcpu, linear, vmx::ept_violation::fetch, code.bytes, sizeof(code.bytes));
    return code;
}

bool read_guest_data(Vcpu& vcpu, std::uint64_t linear, void* to, std::size_t size) {
    return copy(vcpu, linear, vmx::ept_violation::read, static_cast<std::uint8_t*>(to), size) == size;
}

} // namespace shadowtune::nested
