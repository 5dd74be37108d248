#include "hypervisor/nested/unswitched_state.hpp"

#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/unswitched_msrs.hpp"

namespace shadowtune::nested {

namespace {

constexpr std::uint32_t extended_state_leaf{0xD};
constexpr std::uint64_t x87_component{1};
constexpr std::uint64_t dr6_after_reset{0xFFFF'0FF0};
// Supervisor components whose MSRs are in the list of nested/unswitched_msrs.hpp: CET_U and CET_S (Vol. 1,
// 13.1).
constexpr std::uint64_t listed_supervisor_components{3U << 11};

// AMX, the largest component there is, makes it 11,008 bytes.
alignas(64) std::uint8_t extended_area[16 * 1024];

// The legacy region's MXCSR, and what it is after a reset (Vol. 1, 13.6).
constexpr std::size_t mxcsr_offset{24};
constexpr std::uint32_t mxcsr_after_reset{0x1F80};

[[nodiscard]] bool has_xfd() {
    constexpr std::uint32_t subleaf1_eax_xfd{1U << 4};
    return (cpu::cpuid(extended_state_leaf, 1).eax & subleaf1_eax_xfd) != 0;
}

// While IA32_XFD names a component, XSAVE takes it for unused (Vol. 1, 13.14).
class AllComponents {
public:
    explicit AllComponents(std::uint64_t components) : m_xcr0{cpu::read_xcr0()} {
        if (has_xfd() && cpu::try_rdmsr(cpu::msr::xfd, m_xfd)) cpu::wrmsr(cpu::msr::xfd, 0);
        static_cast<void>(cpu::try_xsetbv(0, components));
    }
    ~AllComponents() {
        static_cast<void>(cpu::try_xsetbv(0, m_xcr0));
        if (has_xfd()) cpu::wrmsr(cpu::msr::xfd, m_xfd);
    }
    AllComponents(const AllComponents&) = delete;
    AllComponents& operator=(const AllComponents&) = delete;

private:
    std::uint64_t m_xcr0;
    std::uint64_t m_xfd{0};
};

[[nodiscard]] bool uses_unsaved_supervisor_state() {
    constexpr std::uint32_t subleaf1_eax_xsaves{1U << 3};
    if ((cpu::cpuid(extended_state_leaf, 1).eax & subleaf1_eax_xsaves) == 0) return false;
    std::uint64_t xss{};
    return cpu::try_rdmsr(cpu::msr::xss, xss) && (xss & ~listed_supervisor_components) != 0;
}

} // namespace

ExtendedStateFacts extended_state_facts() {
    constexpr std::uint32_t leaf1_ecx_xsave{1U << 26};
    if ((cpu::cpuid(1).ecx & leaf1_ecx_xsave) == 0) return {};
    const cpu::CpuidResult leaf{cpu::cpuid(extended_state_leaf)};
    return {std::uint64_t{leaf.edx} << 32 | leaf.eax, leaf.ecx};
}

void read_unswitched_registers(link::SavedRegisters& registers) {
    registers.cr2 = cpu::read_cr2();
    registers.dr[0] = cpu::read_dr0();
    registers.dr[1] = cpu::read_dr1();
    registers.dr[2] = cpu::read_dr2();
    registers.dr[3] = cpu::read_dr3();
    registers.dr6 = cpu::read_dr6();
    registers.xcr0 = extended_state_facts().components != 0 ? cpu::read_xcr0() : 0;
}

void load_unswitched_registers(const link::SavedRegisters& registers) {
    cpu::write_cr2(registers.cr2);
    cpu::write_dr0(registers.dr[0]);
    cpu::write_dr1(registers.dr[1]);
    cpu::write_dr2(registers.dr[2]);
    cpu::write_dr3(registers.dr[3]);
    cpu::write_dr6(registers.dr6);
}

std::span<const std::uint8_t> read_extended_state() {
    const ExtendedStateFacts facts{extended_state_facts()};
    if (facts.components == 0 || facts.size > sizeof(extended_area) || uses_unsaved_supervisor_state()) {
        return {};
    }
    // XSAVE leaves out what is in its initial state.
    __builtin_memset(extended_area, 0, sizeof(extended_area));
    const AllComponents all{facts.components};
    cpu::xsave_all(extended_area);
    return {extended_area, facts.size};
}

bool load_extended_state(std::span<const std::uint8_t> area, std::uint64_t xcr0) {
    const ExtendedStateFacts facts{extended_state_facts()};
    if (facts.components == 0 || area.size() != facts.size || area.size() > sizeof(extended_area))
        return false;
    if (area.data() != extended_area) __builtin_memcpy(extended_area, area.data(), area.size());
    {
        const AllComponents all{facts.components};
        if (!cpu::try_xrstor_all(extended_area)) return false;
    }
    return cpu::try_xsetbv(0, xcr0);
}

void write_unswitched_msrs(link::SavedStateWriter& writer) {
    for (const UnswitchedMsr& msr : unswitched_msrs) {
        std::uint64_t value{};
        if (cpu::try_rdmsr(msr.number, value)) writer.append(link::SavedMsr{msr.number, value});
    }
}

std::uint32_t load_unswitched_msrs(const link::SavedList<link::SavedMsr>& msrs) {
    for (std::size_t i{0}; i < msrs.size(); ++i) {
        const link::SavedMsr msr{msrs[i]};
        if (!is_unswitched_msr(msr.number) || !cpu::try_wrmsr(msr.number, msr.value)) return msr.number;
    }
    return 0;
}

void reset_unswitched_state() {
    link::SavedRegisters after_reset{};
    after_reset.dr6 = dr6_after_reset;
    load_unswitched_registers(after_reset);
    for (const UnswitchedMsr& msr : unswitched_msrs) {
        std::uint64_t ignored{};
        if (cpu::try_rdmsr(msr.number, ignored))
            static_cast<void>(cpu::try_wrmsr(msr.number, msr.after_reset));
    }
    const ExtendedStateFacts facts{extended_state_facts()};
    if (facts.components == 0 || facts.size > sizeof(extended_area)) return;
    __builtin_memset(extended_area, 0, sizeof(extended_area));
    __builtin_memcpy(extended_area + mxcsr_offset, &mxcsr_after_reset, sizeof(mxcsr_after_reset));
    static_cast<void>(load_extended_state({extended_area, facts.size}, x87_component));
}

} // namespace shadowtune::nested
