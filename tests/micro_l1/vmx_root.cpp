#include "tests/micro_l1/vmx_root.hpp"

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"

namespace shadowtune::micro_l1 {

extern "C" int micro_l1_enter(GuestRegisters* registers, int launch);

namespace {

constexpr std::uint64_t cr4_vmxe{std::uint64_t{1} << 13};
Page g_vmxon_region;
bool g_in_vmx_operation{false};

} // namespace

VmxResult vmxon_at(const volatile std::uint64_t* operand) {
    bool cf{};
    bool zf{};
    asm volatile("vmxon %2" : "=@ccc"(cf), "=@ccz"(zf) : "m"(*operand) : "memory");
    return vmx_result(cf, zf);
}

VmxResult vmclear_at(const volatile std::uint64_t* operand) {
    bool cf{};
    bool zf{};
    asm volatile("vmclear %2" : "=@ccc"(cf), "=@ccz"(zf) : "m"(*operand) : "memory");
    return vmx_result(cf, zf);
}

VmxResult vmptrld_at(const volatile std::uint64_t* operand) {
    bool cf{};
    bool zf{};
    asm volatile("vmptrld %2" : "=@ccc"(cf), "=@ccz"(zf) : "m"(*operand) : "memory");
    return vmx_result(cf, zf);
}

VmxResult vmptrst_at(volatile std::uint64_t* operand) {
    bool cf{};
    bool zf{};
    asm volatile("vmptrst %2" : "=@ccc"(cf), "=@ccz"(zf), "=m"(*operand) : : "memory");
    return vmx_result(cf, zf);
}

VmxResult vmxoff() {
    bool cf{};
    bool zf{};
    asm volatile("vmxoff" : "=@ccc"(cf), "=@ccz"(zf) : : "memory");
    return vmx_result(cf, zf);
}

VmxResult invept_at(std::uint64_t type, const volatile void* descriptor) {
    bool cf{};
    bool zf{};
    asm volatile("invept (%3), %2" : "=@ccc"(cf), "=@ccz"(zf) : "r"(type), "r"(descriptor) : "memory");
    return vmx_result(cf, zf);
}

VmxResult invvpid_at(std::uint64_t type, const volatile void* descriptor) {
    bool cf{};
    bool zf{};
    asm volatile("invvpid (%3), %2" : "=@ccc"(cf), "=@ccz"(zf) : "r"(type), "r"(descriptor) : "memory");
    return vmx_result(cf, zf);
}

std::uint64_t vmptrst() {
    volatile std::uint64_t pointer{0};
    return vmptrst_at(&pointer) == VmxResult::succeed ? pointer : 0;
}

std::uint32_t vmcs_revision() {
    return static_cast<std::uint32_t>(read_msr(msr_vmx_basic)) & 0x7FFFFFFFU;
}
bool vmwrite_any_field() {
    return (read_msr(msr_vmx_misc) >> 29 & 1U) != 0;
}

void write_revision(Page& region) {
    const std::uint32_t revision{vmcs_revision()};
    __builtin_memcpy(region.bytes, &revision, sizeof(revision));
}

bool prepare_vmx() {
    constexpr std::uint32_t vmx_bit{1U << 5};
    if ((cpuid(1).ecx & vmx_bit) == 0) {
        print_line("FAIL vmx: the processor has no VMX; use a CPU model that has it");
        return false;
    }
    // Lock and "enable VMX outside SMX"; SDM Vol. 3C, section 24.7 "Enabling and Entering VMX Operation".
    const std::uint64_t control{read_msr(msr_feature_control)};
    if ((control & 1U) == 0) write_msr(msr_feature_control, control | 5U);
    if ((read_msr(msr_feature_control) & 5U) != 5U) {
        print_line("FAIL vmx: the firmware has locked VMX off in IA32_FEATURE_CONTROL; enable it there");
        return false;
    }
    // IA32_VMX_CR0_FIXED0/1 and IA32_VMX_CR4_FIXED0/1: Appendix A.7, A.8.
    write_cr0((read_cr0() | read_msr(0x486)) & read_msr(0x487));
    write_cr4(((read_cr4() | cr4_vmxe) | read_msr(0x488)) & read_msr(0x489));
    write_revision(g_vmxon_region);
    return true;
}

Page& vmxon_region() {
    return g_vmxon_region;
}
void note_vmx_operation(bool on) {
    g_in_vmx_operation = on;
}

bool enter_vmx_operation() {
    if (g_in_vmx_operation) return true;
    if (vmxon(physical(&g_vmxon_region)) != VmxResult::succeed) {
        print_line("FAIL vmxon: VMXON of a well-formed region failed");
        return false;
    }
    g_in_vmx_operation = true;
    return true;
}

void leave_vmx_operation() {
    if (g_in_vmx_operation && vmxoff() != VmxResult::succeed) print_line("FAIL vmxoff: VMXOFF failed");
    g_in_vmx_operation = false;
}

bool load_fresh_vmcs(Page& region) {
    write_revision(region);
    if (vmclear(physical(&region)) == VmxResult::succeed &&
        vmptrld(physical(&region)) == VmxResult::succeed) {
        return true;
    }
    print_line("FAIL vmptrld: VMCLEAR or VMPTRLD of a well-formed region failed");
    return false;
}

EntryResult enter_l2(GuestRegisters& registers, bool launch) {
    return static_cast<EntryResult>(micro_l1_enter(&registers, launch ? 1 : 0));
}

} // namespace shadowtune::micro_l1
