#pragma once

// Basic exit reasons: SDM Vol. 3D, Appendix C, Table C-1 (edition 325462-087).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::vmcs {

enum class ExitReason : std::uint16_t {
    exception_or_nmi = 0, external_interrupt = 1, triple_fault = 2, init_signal = 3, startup_ipi = 4, io_smi = 5,
    other_smi = 6, interrupt_window = 7, nmi_window = 8, task_switch = 9, cpuid = 10, getsec = 11, hlt = 12, invd = 13,
    invlpg = 14, rdpmc = 15, rdtsc = 16, rsm = 17, vmcall = 18, vmclear = 19, vmlaunch = 20, vmptrld = 21, vmptrst = 22,
    vmread = 23, vmresume = 24, vmwrite = 25, vmxoff = 26, vmxon = 27, control_register_access = 28, mov_dr = 29,
    io_instruction = 30, rdmsr = 31, wrmsr = 32, entry_failure_guest_state = 33, entry_failure_msr_loading = 34,
    mwait = 36, monitor_trap_flag = 37, monitor = 39, pause = 40, entry_failure_machine_check = 41,
    tpr_below_threshold = 43, apic_access = 44, virtualized_eoi = 45, gdtr_or_idtr_access = 46, ldtr_or_tr_access = 47,
    ept_violation = 48, ept_misconfiguration = 49, invept = 50, rdtscp = 51, preemption_timer_expired = 52,
    invvpid = 53, wbinvd = 54, xsetbv = 55, apic_write = 56, rdrand = 57, invpcid = 58, vmfunc = 59, encls = 60,
    rdseed = 61, page_modification_log_full = 62, xsaves = 63, xrstors = 64, pconfig = 65, spp_event = 66, umwait = 67,
    tpause = 68, loadiwkey = 69, enclv = 70, enqcmd_pasid_failure = 72, enqcmds_pasid_failure = 73, bus_lock = 74,
    instruction_timeout = 75, seamcall = 76, tdcall = 77, rdmsrlist = 78, wrmsrlist = 79,
};

// Basic exit reasons that counters keep apart, and one more for accesses outside any round trip: before the first
// VM entry, or on a vmcs12 other than the one whose L2 exited.
inline constexpr std::size_t exit_reason_count{80};
inline constexpr std::uint8_t no_round_trip{80};
inline constexpr std::size_t reason_slots{81};

inline constexpr std::array<std::string_view, reason_slots> exit_reason_names{
    "exception or NMI", "external interrupt", "triple fault", "INIT signal", "start-up IPI", "I/O SMI", "other SMI",
    "interrupt window", "NMI window", "task switch", "CPUID", "GETSEC", "HLT", "INVD", "INVLPG", "RDPMC", "RDTSC", "RSM",
    "VMCALL", "VMCLEAR", "VMLAUNCH", "VMPTRLD", "VMPTRST", "VMREAD", "VMRESUME", "VMWRITE", "VMXOFF", "VMXON",
    "control-register access", "MOV DR", "I/O instruction", "RDMSR", "WRMSR", "VM-entry failure: guest state",
    "VM-entry failure: MSR loading", "35", "MWAIT", "monitor trap flag", "38", "MONITOR", "PAUSE",
    "VM-entry failure: machine check", "42", "TPR below threshold", "APIC access", "virtualized EOI",
    "GDTR or IDTR access", "LDTR or TR access", "EPT violation", "EPT misconfiguration", "INVEPT", "RDTSCP",
    "VMX-preemption timer expired", "INVVPID", "WBINVD", "XSETBV", "APIC write", "RDRAND", "INVPCID", "VMFUNC", "ENCLS",
    "RDSEED", "page-modification log full", "XSAVES", "XRSTORS", "PCONFIG", "SPP-related event", "UMWAIT", "TPAUSE",
    "LOADIWKEY", "ENCLV", "71", "ENQCMD PASID failure", "ENQCMDS PASID failure", "bus lock", "instruction timeout",
    "SEAMCALL", "TDCALL", "RDMSRLIST", "WRMSRLIST", "outside a round trip",
};

} // namespace shadowtune::vmcs
