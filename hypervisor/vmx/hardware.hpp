#pragma once

// The processor's VMX instructions, counted. An instruction that L0 itself issues must not fail: VMfail is a
// bug of L0's and stops it with a line that names the instruction and the operand. SDM Vol. 3C, 31.3 "VMX
// Instructions"; flags by 31.2 "Conventions" (edition 325462-087).

#include "hypervisor/cpu/panic.hpp"
#include "vmcs/catalogue.hpp"

#include <cstdint>

namespace shadowtune::vmx {

// VMX instructions executed by L0 on one logical processor.
struct ExecutedCounts {
    std::uint64_t vmread{0};
    std::uint64_t vmwrite{0};
    std::uint64_t vmptrld{0};
    std::uint64_t vmclear{0};
};

// How an INVEPT or INVVPID is meant: the type goes into the register operand (SDM Vol. 3C, 31.3).
enum class InvalidateEpt : std::uint64_t { single_context = 1, all_contexts = 2 };
enum class InvalidateVpid : std::uint64_t {
    address = 0,
    single_context = 1,
    all_contexts = 2,
    retaining_globals = 3,
};

[[nodiscard]] inline bool vmxon(std::uint64_t region) {
    bool failed{};
    asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "cc", "memory");
    return !failed;
}

inline void vmxoff() {
    bool failed{};
    asm volatile("vmxoff" : "=@ccbe"(failed) : : "cc", "memory");
    if (failed) cpu::panic("VMXOFF failed");
}

class Hardware {
public:
    [[nodiscard]] std::uint64_t read(vmcs::Encoding encoding) {
        std::uint64_t value{};
        bool failed{};
        ++m_counts.vmread;
        asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(value) : "r"(std::uint64_t{encoding}) : "cc");
        if (failed) cpu::panic("VMREAD failed; field", encoding);
        return value;
    }
    [[nodiscard]] std::uint64_t read(vmcs::Field field) { return read(vmcs::encoding_of(field)); }

    void write(vmcs::Encoding encoding, std::uint64_t value) {
        bool failed{};
        ++m_counts.vmwrite;
        asm volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(value), "r"(std::uint64_t{encoding}) : "cc");
        if (failed) cpu::panic("VMWRITE failed; field", encoding);
    }
    void write(vmcs::Field field, std::uint64_t value) { write(vmcs::encoding_of(field), value); }

    // Whether the processor has the field; with a current VMCS.
    [[nodiscard]] bool has(vmcs::Encoding encoding) {
        std::uint64_t value{};
        bool failed{};
        ++m_counts.vmread;
        asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(value) : "r"(std::uint64_t{encoding}) : "cc");
        return !failed;
    }

    // Makes the VMCS current; the address of the current one is kept, so that a switch to it costs nothing.
    void make_current(std::uint64_t region) {
        if (region == m_current) return;
        bool failed{};
        ++m_counts.vmptrld;
        asm volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(region) : "cc", "memory");
        if (failed) cpu::panic("VMPTRLD failed; region", region);
        m_current = region;
    }

    // Writes the VMCS's cached data to memory and makes it inactive and clear (SDM Vol.
    // 3C, 25.11.1, 25.11.3).
    void clear(std::uint64_t region) {
        bool failed{};
        ++m_counts.vmclear;
        asm volatile("vmclear %1" : "=@ccbe"(failed) : "m"(region) : "cc", "memory");
        if (failed) cpu::panic("VMCLEAR failed; region", region);
        if (region == m_current) m_current = ~std::uint64_t{0};
    }

    void invalidate(InvalidateEpt type, std::uint64_t eptp) {
        const std::uint64_t descriptor[2]{eptp, 0};
        bool failed{};
        asm volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "cc", "memory");
        if (failed) cpu::panic("INVEPT failed; EPTP", eptp);
    }

    void invalidate(InvalidateVpid type, std::uint16_t vpid, std::uint64_t address = 0) {
        const std::uint64_t descriptor[2]{vpid, address};
        bool failed{};
        asm volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "cc", "memory");
        if (failed) cpu::panic("INVVPID failed; VPID", vpid);
    }

    [[nodiscard]] std::uint64_t current() const { return m_current; }
    [[nodiscard]] const ExecutedCounts& counts() const { return m_counts; }
    // A saved vCPU's counts go on.
    void restore_counts(const ExecutedCounts& counts) { m_counts = counts; }

private:
    std::uint64_t m_current{~std::uint64_t{0}};
    ExecutedCounts m_counts{};
};

} // namespace shadowtune::vmx
