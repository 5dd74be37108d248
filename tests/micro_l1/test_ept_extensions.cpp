// Features: virtualization exceptions, page-modification logging, and what accessed and dirty flags make of
// L2's page walks. SDM Vol. 3C, 26.5.7, 29.3.3.2, 29.3.5 and 29.3.6 (edition 325462-087).

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t suppress_ve{std::uint64_t{1} << 63};
constexpr std::uint8_t virtualization_exception{20};
constexpr std::uint64_t linear_valid{1U << 7}, not_a_walk{1U << 8};
constexpr std::uint64_t both_flags{ept_accessed | ept_dirty};

volatile std::uint64_t g_target;

// As EPTP number 3 of the list, which is the same EPT: the index is that of the exception then. (Bochs 2.7
// does not read the field at VM entry.)
constexpr std::uint64_t eptp_number{3};
struct alignas(4096) EptpList {
    std::uint64_t entries[512];
};
EptpList g_eptps;

void l2_reads_as_number_3() {
    asm volatile(".byte 0x0F, 0x01, 0xD4" : : "a"(0), "c"(eptp_number) : "memory", "cc"); // VMFUNC
    l2_done(*reinterpret_cast<volatile std::uint64_t*>(g_target));
}
void l2_reads() {
    l2_done(*reinterpret_cast<volatile std::uint64_t*>(g_target));
}

// Table 26-1.
struct Area {
    std::uint32_t reason, busy;
    std::uint64_t qualification, linear, physical;
    std::uint16_t eptp_index;
};
alignas(4096) volatile Area g_area;

[[nodiscard]] Controls exception_controls() {
    const Controls basic{basic_controls()};
    return {basic.pin, basic.cpu, basic.cpu2 | cpu2_ept_violation_ve | cpu2_vm_functions, basic.exit,
            basic.entry};
}

[[nodiscard]] bool prepare_hole(L2& l2, L2Function function, Page& page, std::uint64_t entry) {
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.small_entry(physical(&page)) = entry;
    g_target = physical(&page) + 0x10;
    g_area.reason = 0;
    g_area.busy = 0;
    g_area.qualification = 0;
    g_area.linear = 0;
    g_area.physical = 0;
    g_area.eptp_index = 0;
    if (!l2.prepare(exception_controls(), ept, function)) return false;
    set(Field::virtualization_exception_address, physical(&g_area));
    set(Field::vm_function_controls, 1);
    set(Field::eptp_list_address, physical(&g_eptps));
    g_eptps.entries[eptp_number] = ept.pointer();
    flush_ept();
    return true;
}

void open_hole(Page& page) {
    feature_ept().map_small(physical(&page), physical(&page), ept_all);
    flush_ept();
}

// One exception, and while its information is not taken away the next violation is an exit.
void exception_delivered() {
    L2 l2{"features.virtualization-exception"};
    Page& page{scratch_page(0)};
    page.bytes[0x10] = 0x77;
    constexpr std::uint64_t qualification{1 | linear_valid | not_a_walk};
    if (!prepare_hole(l2, l2_reads_as_number_3, page, 0)) return;
    if (!l2.go_to(ExitReason::ept_violation)) return;
    l2.same("exceptions in L2", 1, l2_events().by_vector[virtualization_exception]);
    l2.same("events in L2", 1, l2_events().count);
    l2.same("their RIP", get(Field::guest_rip), l2_events().rip);
    l2.same("reason in the area", 48, g_area.reason);
    l2.same("busy word", 0xFFFFFFFF, g_area.busy);
    l2.same("qualification in the area", qualification, g_area.qualification);
    l2.same("guest-linear address in the area", g_target, g_area.linear);
    l2.same("guest-physical address in the area", g_target, g_area.physical);
    l2.same("EPTP index in the area", eptp_number, g_area.eptp_index);
    l2.same("qualification of the exit", qualification, l2.qualification);
    open_hole(page);
    if (!l2.run_to_done({})) return;
    l2.same("what L2 read", 0x77, l2.registers.rbx);
    l2.conclude();
}

// Present but not permitted: the leaf's bit counts. Other settings of bit 63, or other states, exit.
void exception_conditions() {
    L2 l2{"features.virtualization-exception-conditions"};
    Page& page{scratch_page(0)};
    struct Case {
        std::uint64_t entry;
        bool exception;
        bool busy;
    };
    const std::uint64_t executable{physical(&page) | ept_execute | ept_write_back};
    const Case cases[]{{suppress_ve, false, false},
                       {executable, true, false},
                       {executable | suppress_ve, false, false},
                       {0, false, true}};
    for (const Case& c : cases) {
        if (!prepare_hole(l2, l2_reads, page, c.entry)) return;
        if (c.busy) g_area.busy = 1;
        if (!l2.go_to(ExitReason::ept_violation)) return;
        l2.same("exceptions in L2", c.exception ? 1 : 0, l2_events().count);
        l2.same("reason in the area", c.exception ? 48 : 0, g_area.reason);
    }
    // A misconfiguration is none.
    if (!prepare_hole(l2, l2_reads, page, ept_write)) return;
    if (!l2.go_to(ExitReason::ept_misconfiguration)) return;
    l2.same("exceptions by a misconfiguration", 0, l2_events().count);
    l2.conclude();
}

// L1's exception bitmap has a bit for vector 20; the information is there already.
void exception_intercepted() {
    L2 l2{"features.virtualization-exception-bitmap"};
    Page& page{scratch_page(0)};
    if (!prepare_hole(l2, l2_reads, page, 0)) return;
    set(Field::exception_bitmap, 1U << virtualization_exception);
    if (!l2.go_to(ExitReason::exception_or_nmi)) return;
    l2.same("interruption information", 0x80000314, get(Field::vm_exit_interruption_information));
    l2.same("qualification", 0, l2.qualification);
    l2.same("reason in the area", 48, g_area.reason);
    l2.same("events in L2", 0, l2_events().count);
    open_hole(page);
    if (!l2.run_to_done({})) return;
    l2.conclude();
}

void l2_breaks() {
    asm volatile("int3" : : : "memory");
    l2_done();
}

// In the middle of an event's delivery (L2's IDT is not mapped) there is an exit.
void exception_in_delivery() {
    L2 l2{"features.virtualization-exception-in-delivery"};
    Page& idt{scratch_page(0)};
    if (!prepare_hole(l2, l2_breaks, idt, 0)) return;
    set(Field::guest_idtr_base, physical(&idt));
    if (!l2.go_to(ExitReason::ept_violation)) return;
    l2.same("reason in the area", 0, g_area.reason);
    l2.same("IDT-vectoring information", 0x80000603, get(Field::idt_vectoring_information));
    l2.conclude();
}

[[nodiscard]] Controls logging_controls() {
    const Controls basic{basic_controls()};
    return {basic.pin, basic.cpu, basic.cpu2 | cpu2_pml, basic.exit, basic.entry};
}

constexpr std::size_t logged_pages{4};
Page g_logged[logged_pages];
struct alignas(4096) Log {
    std::uint64_t entries[512];
};
Log g_log;

void l2_writes_all() {
    for (Page& page : g_logged)
        *reinterpret_cast<volatile std::uint64_t*>(page.bytes) = 0x10D;
    l2_done();
}

void modification_log() {
    L2 l2{"features.page-modification-log"};
    Ept& ept{feature_ept()};
    // All flags set, but the dirty flags of the pages that L2 writes.
    ept.map_identity();
    for (Page& page : g_logged)
        ept.map_small(physical(&page), physical(&page), ept_all);
    ept.add_flags(both_flags);
    for (Page& page : g_logged)
        ept.small_entry(physical(&page)) &= ~ept_dirty;
    for (auto& entry : g_log.entries)
        entry = 0x5555;
    if (!l2.prepare(logging_controls(), ept, l2_writes_all)) return;
    set(Field::ept_pointer, ept.pointer(true));
    set(Field::pml_address, physical(&g_log));
    set(Field::pml_index, 2);
    flush_ept();
    if (!l2.go_to(ExitReason::page_modification_log_full)) return;
    l2.same("qualification", 0, l2.qualification);
    l2.same("index of a full log", 0xFFFF, get(Field::pml_index));
    const volatile Log& log{g_log};
    for (std::size_t i{0}; i < 3; ++i)
        l2.same("logged address", physical(&g_logged[i]), log.entries[2 - i]);
    l2.same("dirty flag of the last page", 0, ept.small_entry(physical(&g_logged[3])) & ept_dirty);
    l2.same("entry behind the log", 0x5555, log.entries[3]);
    set(Field::pml_index, 511);
    if (!l2.run_to_done({})) return;
    l2.same("index at the end", 510, get(Field::pml_index));
    l2.same("last logged address", physical(&g_logged[3]), log.entries[511]);
    l2.same("dirty flag of the last page at the end", ept_dirty,
            ept.small_entry(physical(&g_logged[3])) & ept_dirty);

    // What is dirty already is not logged again, and without the flags nothing is.
    for (const bool flags : {true, false}) {
        if (!l2.prepare(logging_controls(), ept, l2_writes_all)) return;
        set(Field::ept_pointer, ept.pointer(flags));
        set(Field::pml_address, physical(&g_log));
        set(Field::pml_index, 100);
        flush_ept();
        if (!l2.run_to_done({})) return;
        l2.same("index with nothing to log", 100, get(Field::pml_index));
    }
    if (!l2.prepare(logging_controls(), ept, l2_done_at_once)) return;
    set(Field::pml_address, physical(&g_log) + 8);
    const EntryResult result{enter_l2(l2.registers, true)};
    l2.same("entry with a misaligned log", static_cast<std::uint64_t>(EntryResult::fail_valid),
            static_cast<std::uint64_t>(result));
    l2.conclude();
}

// A linear address of L2's alone, behind a page directory of its own: a walk reads the directory's page.
extern "C" char micro_l1_pdpt[];
constexpr std::uint64_t large{std::uint64_t{2} << 20};
constexpr std::uint64_t present_writable{3}, large_page{0x80}, paging_accessed{0x20};

void page_walks() {
    constexpr std::string_view test{"features.ept-page-walks"};
    if (!ept_accessed_dirty_supported()) {
        skip(test, "the processor has no accessed and dirty flags for EPT");
        return;
    }
    L2 l2{test};
    Page& directory{scratch_page(2)};
    Page& data{scratch_page(3)};
    data.bytes[0] = 0x33;
    auto* const entry{reinterpret_cast<volatile std::uint64_t*>(&directory)};
    auto* const pdpt{reinterpret_cast<volatile std::uint64_t*>(micro_l1_pdpt)};
    const std::uint64_t base{physical(&data) & ~(large - 1)};
    pdpt[4] = physical(&directory) | present_writable | paging_accessed;
    *entry = base | present_writable | large_page | paging_accessed;
    g_target = (std::uint64_t{4} << 30) + physical(&data) - base;
    Ept& ept{feature_ept()};
    struct Case {
        bool flags;
        bool dirty; // the directory's page, which the walk only reads
    };
    // With the flags a walk counts as a write (29.3.5), without as what it is.
    for (const Case& c : {Case{true, true}, Case{false, false}}) {
        ept.map_identity();
        ept.map_small(physical(&directory), physical(&directory), ept_all);
        if (!l2.prepare(basic_controls(), ept, l2_reads)) return;
        set(Field::ept_pointer, ept.pointer(c.flags));
        flush_ept();
        if (!l2.run_to_done({})) return;
        l2.same("what L2 read", 0x33, l2.registers.rbx);
        l2.same("dirty flag of the directory's page", c.dirty ? ept_dirty : 0,
                ept.small_entry(physical(&directory)) & ept_dirty);
    }
    // And so a directory on a page that L1 makes read-only: a violation by a write, or none.
    for (const bool flags : {true, false}) {
        ept.map_identity();
        ept.map_small(physical(&directory), physical(&directory), ept_read);
        if (!l2.prepare(basic_controls(), ept, l2_reads)) return;
        set(Field::ept_pointer, ept.pointer(flags));
        flush_ept();
        if (!flags) {
            if (!l2.run_to_done({})) return;
            continue;
        }
        if (!l2.go_to(ExitReason::ept_violation)) return;
        constexpr std::uint64_t write{2};
        l2.same("qualification", write | ept_read << 3 | linear_valid,
                l2.qualification & (write | 0x38 | linear_valid | not_a_walk));
        l2.same("guest-physical address", physical(&directory), get(Field::guest_physical_address));
        l2.same("guest-linear address", g_target, get(Field::guest_linear_address));
    }
    pdpt[4] = 0;
    asm volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
    l2.conclude();
}

} // namespace

void test_ept_extensions() {
    if (supported(exception_controls())) {
        exception_delivered();
        exception_conditions();
        exception_intercepted();
        exception_in_delivery();
    } else {
        skip("features.virtualization-exception", "the processor has no EPT-violation #VE");
    }
    if (supported(logging_controls())) {
        modification_log();
    } else {
        skip("features.page-modification-log", "the processor has no page-modification logging");
    }
    page_walks();
    feature_ept().map_identity();
    flush_ept();
}

} // namespace shadowtune::micro_l1
