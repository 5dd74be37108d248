// Features: L1 itself in VMX root operation: page faults of memory operands of VMX instructions, and the
// fixed bits of CR0.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

// MOV to CR0 without the bits of `clear`, and back, in compatibility mode: there paging can be turned off.
extern "C" void micro_l1_change_cr0(std::uint64_t clear);
asm(".pushsection .text\n"
    "micro_l1_change_cr0:\n"
    "	pushq $0x28\n"
    "	pushq $1f\n"
    "	lretq\n"
    "	.code32\n"
    "1:	movl %cr0, %eax\n"
    "	movl %edi, %edx\n"
    "	notl %edx\n"
    "	andl %eax, %edx\n"
    "	movl %edx, %cr0\n"
    "	movl %eax, %cr0\n"
    "	ljmp $0x08, $2f\n"
    "	.code64\n"
    "2:	ret\n"
    ".popsection");

constexpr std::uint8_t general_protection{13}, page_fault{14};
constexpr std::uint64_t cr0_pe{1}, cr0_ne{1U << 5}, cr0_wp{1U << 16}, cr0_pg{1U << 31};

// `wanted` is 0 for no fault.
void expect_vector(std::string_view name, std::uint8_t wanted, const Fault& fault) {
    expect(name, "vector", wanted, fault.happened ? fault.vector : 0);
}

// SDM Vol. 3C, 24.8: what VMX operation fixes.
void fixed_bits_of_cr0() {
    leave_vmx_operation();
    expect_vector("features.cr0-pg-outside-vmx", 0, guarded([] { micro_l1_change_cr0(cr0_pg); }));
    expect_vector("features.cr0-ne-outside-vmx", 0, guarded([] { micro_l1_change_cr0(cr0_ne); }));
    if (!enter_vmx_operation()) return;
    expect_vector("features.cr0-pg-in-vmx", general_protection, guarded([] { micro_l1_change_cr0(cr0_pg); }));
    expect_vector("features.cr0-pe-in-vmx", general_protection,
                  guarded([] { micro_l1_change_cr0(cr0_pg | cr0_pe); }));
    expect_vector("features.cr0-ne-in-vmx", general_protection, guarded([] { micro_l1_change_cr0(cr0_ne); }));
    // What is not fixed may change, and LMSW cannot clear PE.
    constexpr std::uint64_t cr0_am{1U << 18};
    expect_vector("features.cr0-free-bits-in-vmx", 0, guarded([] { micro_l1_change_cr0(cr0_wp | cr0_am); }));
    expect_vector("features.lmsw-in-vmx", 0, guarded([] {
                      asm volatile("lmsw %w0" : : "r"(std::uint32_t{0xE}) : "memory");
                      asm volatile("clts" : : : "memory");
                  }));
    expect("features.lmsw-keeps-pe", "CR0.PE", cr0_pe, read_cr0() & cr0_pe);
    write_cr0(read_cr0() & ~std::uint64_t{0xE});
    leave_vmx_operation();
    expect_vector("features.cr0-pg-after-vmx", 0, guarded([] { micro_l1_change_cr0(cr0_pg); }));
}

extern "C" char micro_l1_pml4[];
extern "C" char micro_l1_pdpt[];

constexpr std::uint64_t linear{std::uint64_t{4} << 30}, large_size{std::uint64_t{2} << 20};
constexpr std::uint64_t present{1}, writable{2}, user{4}, large{0x80};

void reload_cr3() {
    asm volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

// Four words of L1's own behind a linear address whose entries the test chooses.
class Operand {
public:
    explicit Operand(Page& directory, Page& data)
        : m_directory{directory}, m_base{physical(&data) & ~(large_size - 1)}, m_offset{physical(&data) -
                                                                                        m_base} {}

    void map(std::uint64_t rights, std::uint64_t more = 0) {
        auto* const pdpt{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)};
        auto* const pml4{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pml4)};
        pml4[0] = pml4[0] | (rights & user);
        pdpt[4] = physical(&m_directory) | present | writable | user;
        *reinterpret_cast<volatile std::uint64_t*>(&m_directory) = m_base | large | rights | more;
        reload_cr3();
    }
    void unmap() {
        auto* const pdpt{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)};
        auto* const pml4{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pml4)};
        pdpt[4] = 0;
        pml4[0] = pml4[0] & ~user;
        reload_cr3();
    }
    // `error` is the page fault's error code, 0 for none.
    void stores(std::string_view name, std::uint32_t error) {
        compare(name, error, guarded([this] { (void)vmptrst_at(at()); }));
    }
    // The address is not one of a VMCS: the instruction fails, but reads its operand first.
    void loads(std::string_view name, std::uint32_t error) {
        compare(name, error, guarded([this] { (void)vmptrld_at(at()); }));
    }

private:
    [[nodiscard]] volatile std::uint64_t* at() const {
        return reinterpret_cast<volatile std::uint64_t*>(linear + m_offset);
    }
    void compare(std::string_view name, std::uint32_t error, const Fault& fault) const {
        constexpr std::uint64_t vector_shift{32};
        const std::uint64_t wanted{error == 0 ? 0 : std::uint64_t{page_fault} << vector_shift | error};
        const std::uint64_t got{
            fault.happened ? std::uint64_t{fault.vector} << vector_shift | fault.error_code : 0};
        std::uint64_t cr2{};
        asm volatile("movq %%cr2, %0" : "=r"(cr2));
        if (expect(name, "vector and error code", wanted, got) && error != 0) {
            expect(name, "CR2", linear + m_offset, cr2);
        }
    }

    Page& m_directory;
    std::uint64_t m_base, m_offset;
};

// SDM Vol. 3A, 5.7 "Page-Fault Exceptions": P, W/R and RSVD.
void reserved_bits() {
    if (!enter_vmx_operation()) return;
    const std::uint64_t cr0{read_cr0()};
    write_cr0(cr0 | cr0_wp);
    Operand operand{scratch_page(0), scratch_page(1)};
    operand.map(present | writable);
    operand.stores("features.operand-mapped", 0);
    operand.map(writable);
    operand.stores("features.operand-absent", 2);
    operand.map(present);
    operand.stores("features.operand-read-only", 3);
    operand.map(present | writable, std::uint64_t{1} << 51);
    operand.stores("features.operand-address-too-wide.store", 0xB);
    operand.loads("features.operand-address-too-wide.load", 9);
    operand.map(present | writable, std::uint64_t{1} << 13);
    operand.stores("features.operand-large-page-misaligned.store", 0xB);
    operand.loads("features.operand-large-page-misaligned.load", 9);
    constexpr std::uint64_t execute_disable{std::uint64_t{1} << 63}, nxe{1U << 11};
    const std::uint64_t efer{read_msr(msr_efer)};
    write_msr(msr_efer, efer & ~nxe);
    operand.map(present | writable, execute_disable);
    operand.loads("features.operand-xd-without-nxe", 9);
    write_msr(msr_efer, efer | nxe);
    operand.loads("features.operand-xd-with-nxe", 0);
    write_msr(msr_efer, efer);
    write_cr0(cr0);
    operand.unmap();
}

void write_pkru(std::uint32_t value) {
    asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory");
}

// Vol. 3A, 5.6.2 "Protection Keys".
void protection_keys() {
    constexpr std::uint32_t pku{1U << 3};
    constexpr std::string_view test{"features.operand-protection-key"};
    if (cpuid(0).eax < 7 || (cpuid(7).ecx & pku) == 0) {
        skip(test, "the processor has no protection keys");
        return;
    }
    if (!enter_vmx_operation()) return;
    constexpr std::uint64_t pke{1U << 22}, key_3{std::uint64_t{3} << 59};
    constexpr std::uint32_t no_access_3{1U << 6}, no_write_3{2U << 6};
    const std::uint64_t cr0{read_cr0()}, cr4{read_cr4()};
    Operand operand{scratch_page(0), scratch_page(1)};
    write_cr4(cr4 | pke);
    write_cr0(cr0 | cr0_wp);
    operand.map(present | writable | user, key_3);
    write_pkru(no_write_3);
    operand.loads("features.operand-protection-key.read", 0);
    operand.stores("features.operand-protection-key.no-write", 0x23);
    write_cr0(cr0 & ~cr0_wp);
    operand.stores("features.operand-protection-key.write-without-wp", 0);
    write_pkru(no_access_3);
    operand.loads("features.operand-protection-key.no-access", 0x21);
    operand.map(present | writable, key_3);
    operand.loads("features.operand-protection-key.supervisor-page", 0);
    write_pkru(0);
    write_cr4(cr4);
    write_cr0(cr0);
    operand.unmap();
}

} // namespace

void test_root() {
    fixed_bits_of_cr0();
    reserved_bits();
    protection_keys();
}

} // namespace shadowtune::micro_l1
