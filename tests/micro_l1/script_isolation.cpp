// isolation: L0's memory can be neither read nor changed, by any way that an address can be given.
// Parameters: lo, hi (physical range that belongs to L0, hi exclusive; without them the script is skipped),
// seed, trips (round trips at the end, default 500), abort=store|load (last of all, an MSR area of VM exit in
// L0's memory: a VMX abort, so the micro-L1 ends there).
//
// Absent memory reads as all ones on a PC. Here everything that L0 lets L1 see must be that, or what L1 has
// itself written there. The same holds on the bare machine for a range without memory, which is how the
// script is tested. Fetching instructions from there is left out: the bare emulator stops.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"
#include "tests/micro_l1/round_trips.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t absent{~std::uint64_t{0}};
constexpr std::uint64_t own{0x4C31776173686572U}; // what L1 and L2 write
constexpr std::uint64_t page_size{4096};

struct Range {
    std::uint64_t lo;
    std::uint64_t hi;
};

bool g_own_writes{false}; // from here on `own` may be read back

[[nodiscard]] bool harmless(std::uint64_t value) {
    return value == absent || (g_own_writes && value == own);
}

[[nodiscard]] volatile std::uint64_t* at(std::uint64_t address) {
    return reinterpret_cast<volatile std::uint64_t*>(address);
}

void judge(std::string_view test, std::uint64_t leaks, std::uint64_t first_address,
           std::uint64_t first_value) {
    if (leaks == 0) {
        pass(test);
    } else {
        fail(test, leaks, " values of L0's memory seen, the first ", hex(first_value), " at ",
             hex(first_address));
    }
}

// Three places of each page; all of a page would take hours where each access leaves L1.
template <typename Visit>
void for_each_probe(const Range& range, Visit visit) {
    for (std::uint64_t page{range.lo}; page < range.hi; page += page_size) {
        for (const std::uint64_t offset : {0U, 0x7F8U, 0xFF8U})
            visit(page + offset);
    }
}

void read_directly(std::string_view test, const Range& range) {
    std::uint64_t leaks{0};
    std::uint64_t first_address{0};
    std::uint64_t first_value{0};
    for_each_probe(range, [&](std::uint64_t address) {
        const std::uint64_t value{*at(address)};
        if (harmless(value)) return;
        if (leaks++ == 0) {
            first_address = address;
            first_value = value;
        }
    });
    judge(test, leaks, first_address, first_value);
}

void read_in_all_sizes(const Range& range) {
    const std::uint64_t address{range.lo + 0x10};
    std::uint64_t value{0};
    std::uint64_t leaks{0};
    asm volatile("movzbl (%1), %k0" : "=r"(value) : "r"(address) : "memory");
    leaks += value != 0xFF ? 1U : 0U;
    asm volatile("movzwl (%1), %k0" : "=r"(value) : "r"(address) : "memory");
    leaks += value != 0xFFFF ? 1U : 0U;
    asm volatile("movl (%1), %k0" : "=r"(value) : "r"(address) : "memory");
    leaks += value != 0xFFFFFFFF ? 1U : 0U;
    std::uint64_t copy[4];
    std::uint64_t count{sizeof(copy)};
    const void* from{reinterpret_cast<const void*>(address)};
    void* to{copy};
    asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    for (const std::uint64_t word : copy)
        leaks += word != absent ? 1U : 0U;
    judge("isolation.l1-read-sizes", leaks, address, value);
}

volatile std::uint64_t g_target;

void l2_reads() {
    l2_done(*at(g_target));
}
void l2_writes() {
    *at(g_target) = own;
    l2_done(own);
}
void l2_reads_msr() {
    l2_done(read_msr(msr_sysenter_cs));
}
void l2_out() {
    out8(0x3A1, 0);
    l2_done();
}
void l2_reads_tpr() {
    std::uint64_t tpr;
    asm volatile("movq %%cr8, %0" : "=r"(tpr));
    l2_done(tpr);
}
void l2_writes_tpr() {
    asm volatile("movq %0, %%cr8" : : "r"(std::uint64_t{0}));
    l2_done();
}

enum class Outcome : std::uint8_t { entry_failed, exited, done };

// One VM entry of whatever has been set up: failing is as good an answer as any, a result is judged by the
// caller.
[[nodiscard]] Outcome run(L2& l2) {
    l2.registers = {};
    const EntryResult result{enter_l2(l2.registers, true)};
    if (result != EntryResult::exited) return Outcome::entry_failed;
    l2.reason = get(Field::exit_reason);
    l2.qualification = get(Field::exit_qualification);
    const bool done{l2.reason == static_cast<std::uint64_t>(ExitReason::vmcall) &&
                    l2.registers.rax == l2_done_word};
    return done ? Outcome::done : Outcome::exited;
}

[[nodiscard]] Controls with(std::uint32_t cpu) {
    const Controls basic{basic_controls()};
    return {basic.pin, basic.cpu | cpu, basic.cpu2, basic.exit, basic.entry};
}

// L2 reaches for `address` through EPT12, which maps it: with small pages, or with a large page around it.
void through_ept(std::string_view test, std::uint64_t address, bool large, L2Function function) {
    // A guest-physical region that nothing else of the micro-L1 uses.
    constexpr std::uint64_t window{std::uint64_t{3} << 30};
    constexpr std::uint64_t large_size{std::uint64_t{2} << 20};
    Ept& ept{feature_ept()};
    ept.map_identity();
    const std::uint64_t base{address & ~((large ? large_size : page_size) - 1)};
    if (large) {
        ept.map_large(window, base, ept_all);
    } else {
        ept.map_small(window, base, ept_all);
    }
    g_target = window + (address - base);
    L2 l2{test};
    if (!l2.prepare(basic_controls(), ept, function)) return;
    flush_ept();
    const Outcome outcome{run(l2)};
    const std::uint64_t leaks{outcome == Outcome::done && !harmless(l2.registers.rbx) ? 1U : 0U};
    judge(test, leaks, address, l2.registers.rbx);
}

// EPT12's own tables in L0's memory: whatever L0 keeps there must not become a translation.
void ept_tables(const Range& range) {
    constexpr std::uint64_t window{std::uint64_t{3} << 30};
    Ept& ept{feature_ept()};
    for (const bool root : {false, true}) {
        const std::string_view test{root ? "isolation.ept12-root" : "isolation.ept12-table"};
        ept.map_identity();
        ept.set_directory_entry(window, range.lo | ept_all);
        g_target = window;
        L2 l2{test};
        if (!l2.prepare(basic_controls(), ept, l2_reads)) return;
        if (root) set(Field::ept_pointer, range.lo | (ept.pointer() & 0xFFFU));
        flush_ept();
        const Outcome outcome{run(l2)};
        judge(test, outcome == Outcome::done && !harmless(l2.registers.rbx) ? 1U : 0U, range.lo,
              l2.registers.rbx);
    }
    ept.map_identity();
    flush_ept();
}

void page_tables_of_l2(const Range& range) {
    L2 l2{"isolation.l2-cr3"};
    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads)) return;
    set(Field::guest_cr3, range.lo);
    judge("isolation.l2-cr3", run(l2) == Outcome::done ? 1U : 0U, range.lo, l2.registers.rbx);
}

// All ones in a bitmap: everything exits. A bit of L0's own shows as an instruction that does not.
void bitmaps(const Range& range) {
    L2 l2{"isolation.bitmaps"};
    std::uint64_t leaks{0};
    for (std::uint64_t page{range.lo}; page < range.hi && page < range.lo + 64 * page_size;
         page += page_size) {
        if (!l2.prepare(with(cpu_msr_bitmaps), feature_ept(), l2_reads_msr)) return;
        set(Field::msr_bitmap, page);
        leaks += run(l2) == Outcome::done ? 1U : 0U;
        if (!l2.prepare(with(cpu_io_bitmaps), feature_ept(), l2_out)) return;
        set(Field::io_bitmap_a, page);
        set(Field::io_bitmap_b, page);
        leaks += run(l2) == Outcome::done ? 1U : 0U;
    }
    judge("isolation.bitmaps", leaks, range.lo, 0);
}

void virtual_apic(const Range& range, bool write) {
    const std::string_view test{write ? "isolation.virtual-apic-write" : "isolation.virtual-apic-read"};
    L2 l2{test};
    if (!supported(with(cpu_tpr_shadow))) {
        skip(test, "the processor lacks a TPR shadow");
        return;
    }
    if (!l2.prepare(with(cpu_tpr_shadow), feature_ept(), write ? l2_writes_tpr : l2_reads_tpr)) return;
    set(Field::virtual_apic_address, range.lo);
    set(Field::tpr_threshold, 0);
    const Outcome outcome{run(l2)};
    constexpr std::uint64_t absent_tpr{0xF};
    judge(test, !write && outcome == Outcome::done && l2.registers.rbx != absent_tpr ? 1U : 0U,
          range.lo + 0x80, l2.registers.rbx);
}

// Addresses given in the VMCS at VM entry.
void entry_addresses(const Range& range) {
    L2 l2{"isolation.entry-msr-load"};
    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads_msr)) return;
    set(Field::vm_entry_msr_load_address, range.lo);
    set(Field::vm_entry_msr_load_count, 1);
    // An index of all ones is no MSR: the entry fails (Vol. 3C, 27.4).
    constexpr std::uint64_t msr_failure{0x80000022};
    const Outcome outcome{run(l2)};
    if (outcome == Outcome::entry_failed || l2.reason == msr_failure) {
        pass("isolation.entry-msr-load");
    } else {
        fail("isolation.entry-msr-load", "the entry took MSRs from L0's memory; exit reason ",
             hex(l2.reason));
    }

    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads_msr)) return;
    set(Field::vmcs_link_pointer, range.lo);
    constexpr std::uint64_t guest_state_failure{0x80000021};
    if (run(l2) == Outcome::entry_failed || l2.reason == guest_state_failure) {
        pass("isolation.link-pointer");
    } else {
        fail("isolation.link-pointer", "L0's memory was taken for a VMCS; exit reason ", hex(l2.reason));
    }
}

void regions(const Range& range) {
    std::uint64_t taken{0};
    for (std::uint64_t page{range.lo}; page < range.hi; page += page_size) {
        taken += vmptrld(page) == VmxResult::succeed ? 1U : 0U;
    }
    leave_vmx_operation();
    for (std::uint64_t page{range.lo}; page < range.hi; page += page_size) {
        if (vmxon(page) != VmxResult::succeed) continue;
        ++taken;
        (void)vmxoff();
    }
    judge("isolation.vmptrld-vmxon", taken, range.lo, taken);
    (void)enter_vmx_operation();
}

// VMCLEAR does not look at the revision and writes its region: into nothing.
void clear_regions(const Range& range) {
    for (std::uint64_t page{range.lo}; page < range.hi; page += page_size)
        (void)vmclear(page);
}

// Memory operands of the VMX instructions: all ones are no valid pointer or descriptor.
void operands_read(const Range& range) {
    L2 l2{"isolation.operands-read"};
    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads)) return;
    volatile std::uint64_t* const pointer{at(range.lo + 0x100)};
    std::uint64_t taken{0};
    taken += vmptrld_at(pointer) == VmxResult::succeed ? 1U : 0U;
    taken += vmclear_at(pointer) == VmxResult::succeed ? 1U : 0U;
    taken += invept_at(1, pointer) == VmxResult::succeed ? 1U : 0U;
    taken += invvpid_at(1, pointer) == VmxResult::succeed ? 1U : 0U;
    judge("isolation.operands-read", taken, range.lo + 0x100, taken);

    std::uint64_t leaks{0};
    std::uint64_t first_address{0};
    std::uint64_t first_value{0};
    for_each_probe(range, [&](std::uint64_t address) {
        constexpr std::uint64_t field{static_cast<std::uint64_t>(Field::guest_rsp)};
        asm volatile("vmwrite (%0), %1" : : "r"(address), "r"(field) : "memory", "cc");
        const std::uint64_t value{get(Field::guest_rsp)};
        if (harmless(value)) return;
        if (leaks++ == 0) {
            first_address = address;
            first_value = value;
        }
    });
    judge("isolation.vmwrite-operand", leaks, first_address, first_value);
}

// From here L1 writes: L0 must go on as if nothing had been written.
void write_everywhere(const Range& range) {
    g_own_writes = true;
    for_each_probe(range, [](std::uint64_t address) { *at(address) = own; });
    const std::uint64_t address{range.lo + 0x200};
    *reinterpret_cast<volatile std::uint8_t*>(address) = 0x5A;
    *reinterpret_cast<volatile std::uint16_t*>(address + 8) = 0x5A5A;
    *reinterpret_cast<volatile std::uint32_t*>(address + 16) = 0x5A5A5A5A;
    asm volatile("lock xaddq %0, (%1)" : : "r"(own), "r"(address + 24) : "memory", "cc");
    void* to{reinterpret_cast<void*>(range.lo + 0x300)};
    std::uint64_t count{0x100};
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0x5A) : "memory");
    read_directly("isolation.l1-write", range);
}

void operands_written(const Range& range) {
    L2 l2{"isolation.operands-written"};
    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads)) return;
    set(Field::guest_rsp, own);
    for_each_probe(range, [](std::uint64_t address) {
        constexpr std::uint64_t field{static_cast<std::uint64_t>(Field::guest_rsp)};
        asm volatile("vmread %1, (%0)" : : "r"(address), "r"(field) : "memory", "cc");
    });
    (void)vmptrst_at(at(range.lo + 0x400));
    read_directly("isolation.operands-written", range);
}

void still_alive(const Parameters& parameters) {
    const RoundTripPlan plan{
        parameters.number("seed", 1), parameters.number("trips", 500), 24, 16, 0, 0, false};
    const RoundTripResult result{run_round_trips(plan)};
    if (!result.ran) {
        fail("isolation.alive", "round trips stopped after ", result.trips);
        return;
    }
    expect("isolation.alive", "wrong values in round trips", 0, result.errors);
}

// SDM Vol. 3C, 28.7 "VMX Aborts": an MSR that cannot be stored or loaded at VM exit. Nothing comes after it.
void abort(std::string_view which, const Range& range) {
    L2 l2{"isolation.vmx-abort"};
    if (!l2.prepare(basic_controls(), feature_ept(), l2_reads)) return;
    const bool store{which == "store"};
    set(store ? Field::vm_exit_msr_store_address : Field::vm_exit_msr_load_address, range.lo);
    set(store ? Field::vm_exit_msr_store_count : Field::vm_exit_msr_load_count, 1);
    print_line("RESULT name=isolation.vmx-abort area=", which);
    (void)run(l2);
    print_line("FAIL isolation.vmx-abort: L1 goes on after a VMX abort");
}

} // namespace

void run_isolation(const Parameters& parameters) {
    const Range range{parameters.number("lo", 0) & ~(page_size - 1),
                      parameters.number("hi", 0) & ~(page_size - 1)};
    if (range.lo == 0 || range.hi <= range.lo) {
        skip("isolation", "no range given; lo= and hi= are the memory that L0 keeps");
        return;
    }
    if (!enter_vmx_operation()) return;
    feature_ept().map_identity();
    g_own_writes = false;
    read_directly("isolation.l1-read", range);
    read_in_all_sizes(range);
    through_ept("isolation.ept12-4k-read", range.lo, false, l2_reads);
    through_ept("isolation.ept12-4k-read-last", range.hi - 8, false, l2_reads);
    through_ept("isolation.ept12-2m-read", range.lo, true, l2_reads);
    through_ept("isolation.ept12-2m-read-last", range.hi - 8, true, l2_reads);
    ept_tables(range);
    page_tables_of_l2(range);
    bitmaps(range);
    test_bitmaps_of_l0();
    virtual_apic(range, false);
    entry_addresses(range);
    regions(range);
    operands_read(range);
    clear_regions(range);
    write_everywhere(range);
    operands_written(range);
    virtual_apic(range, true);
    through_ept("isolation.ept12-4k-write", range.lo, false, l2_writes);
    through_ept("isolation.ept12-2m-write", range.hi - 8, true, l2_writes);
    still_alive(parameters);
    print_line("RESULT name=isolation lo=", hex(range.lo), " hi=", hex(range.hi), " passes=", tally().passes,
               " failures=", tally().failures);
    if (parameters.has("abort")) abort(parameters.text("abort", ""), range);
}

} // namespace shadowtune::micro_l1
