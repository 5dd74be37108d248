#pragma once

// The processor's VMX instructions, counted. An instruction that L0 itself issues must not fail: VMfail is a
// bug of L0's and stops it with a line that names the instruction and the operand. SDM Vol. 3C, 31.3 "VMX
// Instructions"; flags by 31.2 "Conventions" (edition 325462-087).

#include "hypervisor/cpu/panic.hpp"
#include "vmcs/catalogue.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

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
    if (failed) [[unlikely]]
        cpu::panic("VMXOFF failed");
}

class Hardware {
public:
    [[nodiscard]] std::uint64_t read(vmcs::Encoding encoding) {
        std::uint64_t value{};
        bool failed{};
        ++m_counts.vmread;
        asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(value) : "r"(std::uint64_t{encoding}) : "cc");
        if (failed) [[unlikely]]
            cpu::panic("VMREAD failed; field", encoding);
        return value;
    }
    [[nodiscard]] std::uint64_t read(vmcs::Field field) { return read(vmcs::encoding_of(field)); }

    void write(vmcs::Encoding encoding, std::uint64_t value) {
        bool failed{};
        ++m_counts.vmwrite;
        asm volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(value), "r"(std::uint64_t{encoding}) : "cc");
        if (failed) [[unlikely]]
            cpu::panic("VMWRITE failed; field", encoding);
    }
    void write(vmcs::Field field, std::uint64_t value) { write(vmcs::encoding_of(field), value); }

    // `values` in the order of `fields`, a constexpr array of fields that every processor has which L0 runs
    // on. VMWRITE of such a field fails only for want of a current VMCS (31.3, VMWRITE), and then each of
    // them does: the last one speaks for all.
    template <const auto& fields>
    void write_all(const std::uint64_t (&values)[fields.size()]) {
        m_counts.vmwrite += fields.size();
        [&]<std::size_t... place>(std::index_sequence<place...>) {
            (write_unchecked(vmcs::encoding_of(fields[place]), values[place]), ...);
        }
        (std::make_index_sequence<fields.size() - 1>{});
        bool failed{};
        constexpr vmcs::Encoding last{vmcs::encoding_of(fields.back())};
        asm volatile("vmwrite %1, %2"
                     : "=@ccbe"(failed)
                     : "m"(values[fields.size() - 1]), "r"(std::uint64_t{last})
                     : "cc");
        if (failed) [[unlikely]]
            cpu::panic("VMWRITE failed; field", last);
    }

    // The same for VMREAD.
    template <const auto& fields>
    void read_all(std::uint64_t (&values)[fields.size()]) {
        m_counts.vmread += fields.size();
        [&]<std::size_t... place>(std::index_sequence<place...>) {
            (read_unchecked(vmcs::encoding_of(fields[place]), values[place]), ...);
        }
        (std::make_index_sequence<fields.size() - 1>{});
        bool failed{};
        constexpr vmcs::Encoding last{vmcs::encoding_of(fields.back())};
        asm volatile("vmread %2, %1"
                     : "=@ccbe"(failed), "=r"(values[fields.size() - 1])
                     : "r"(std::uint64_t{last})
                     : "cc");
        if (failed) [[unlikely]]
            cpu::panic("VMREAD failed; field", last);
    }

    // Each of a list of fields, for visit(field, value).
    template <typename Fields, typename Visit>
    void read_all(const Fields& fields, Visit visit) {
        m_counts.vmread += fields.size();
        for (const auto& field : fields) {
            std::uint64_t value{};
            bool failed{};
            asm volatile("vmread %2, %1"
                         : "=@ccbe"(failed), "=r"(value)
                         : "r"(std::uint64_t{field.encoding})
                         : "cc");
            if (failed) [[unlikely]]
                cpu::panic("VMREAD failed; field", field.encoding);
            visit(field, value);
        }
    }

    // Whether the processor has the field; with a current VMCS.
    [[nodiscard]] bool has(vmcs::Encoding encoding) {
        std::uint64_t value{};
        bool failed{};
        ++m_counts.vmread;
        asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(value) : "r"(std::uint64_t{encoding}) : "cc");
        return !failed;
    }

    // Makes the VMCS current; the address of the current one is kept, so that a switch to it costs nothing.
    void make_current(const std::uint64_t& region) {
        if (region == m_current) return;
        bool failed{};
        ++m_counts.vmptrld;
        // What L0 writes to a region comes before its first VMCLEAR.
        asm volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(region) : "cc");
        if (failed) [[unlikely]]
            cpu::panic("VMPTRLD failed; region", region);
        m_current = region;
    }

    // Writes the VMCS's cached data to memory and makes it inactive and clear (SDM Vol.
    // 3C, 25.11.1, 25.11.3).
    void clear(const std::uint64_t& region) {
        bool failed{};
        ++m_counts.vmclear;
        asm volatile("vmclear %1" : "=@ccbe"(failed) : "m"(region) : "cc", "memory");
        if (failed) [[unlikely]]
            cpu::panic("VMCLEAR failed; region", region);
        if (region == m_current) m_current = ~std::uint64_t{0};
    }

    void invalidate(InvalidateEpt type, std::uint64_t eptp) {
        const std::uint64_t descriptor[2]{eptp, 0};
        bool failed{};
        asm volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "cc", "memory");
        if (failed) [[unlikely]]
            cpu::panic("INVEPT failed; EPTP", eptp);
    }

    void invalidate(InvalidateVpid type, std::uint16_t vpid, std::uint64_t address = 0) {
        const std::uint64_t descriptor[2]{vpid, address};
        bool failed{};
        asm volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "cc", "memory");
        if (failed) [[unlikely]]
            cpu::panic("INVVPID failed; VPID", vpid);
    }

    [[nodiscard]] std::uint64_t current() const { return m_current; }
    [[nodiscard]] const ExecutedCounts& counts() const { return m_counts; }
    // A saved vCPU's counts go on.
    void restore_counts(const ExecutedCounts& counts) { m_counts = counts; }

private:
    [[gnu::always_inline]] static void write_unchecked(vmcs::Encoding encoding, const std::uint64_t& value) {
        asm volatile("vmwrite %0, %1" : : "m"(value), "r"(std::uint64_t{encoding}) : "cc");
    }

    [[gnu::always_inline]] static void read_unchecked(vmcs::Encoding encoding, std::uint64_t& value) {
        asm volatile("vmread %1, %0" : "=r"(value) : "r"(std::uint64_t{encoding}) : "cc");
    }

    std::uint64_t m_current{~std::uint64_t{0}};
    ExecutedCounts m_counts{};
};

} // namespace shadowtune::vmx
