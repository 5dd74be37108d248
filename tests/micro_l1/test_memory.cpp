// Features: EPT rights, remapping, misconfiguration, accessed and dirty bits, VPID, stores to the local APIC.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"

namespace shadowtune::micro_l1 {

namespace {

// Where L2 works; set by each test before it runs L2.
volatile std::uint64_t g_target;

void l2_reads() {
    l2_done(*reinterpret_cast<volatile std::uint64_t*>(g_target));
}
void l2_writes() {
    *reinterpret_cast<volatile std::uint64_t*>(g_target) = 0x5EC0DE;
    l2_done();
}
void l2_jumps() {
    asm volatile("callq *%0" : : "r"(static_cast<std::uint64_t>(g_target)) : "memory");
    l2_done();
}

constexpr std::uint64_t linear_valid{1U << 7};
constexpr std::uint64_t not_a_walk{1U << 8};

struct Violation {
    std::string_view test;
    std::uint64_t rights;
    L2Function function;
    std::uint64_t access; // bit 0 read, 1 write, 2 fetch
};

// SDM Vol. 3C, Table 28-7: access in bits 2:0, rights of the translation in bits 5:3.
void violation(const Violation& wanted) {
    constexpr std::uint64_t offset{0x123};
    L2 l2{wanted.test};
    Page& page{scratch_page(0)};
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&page), physical(&page), wanted.rights);
    g_target = physical(&page) + offset;
    if (!l2.prepare(basic_controls(), ept, wanted.function)) return;
    flush_ept();
    if (!l2.go_to(ExitReason::ept_violation)) return;
    constexpr std::uint64_t defined{0x3F | linear_valid | not_a_walk};
    l2.same("qualification", wanted.access | wanted.rights << 3 | linear_valid | not_a_walk,
            l2.qualification & defined);
    l2.same("guest-physical address", g_target, get(Field::guest_physical_address));
    l2.same("guest-linear address", g_target, get(Field::guest_linear_address));
    // With the right given, L2 goes on where it stopped. RET is what the fetch finds.
    page.bytes[offset] = 0xC3;
    ept.map_small(physical(&page), physical(&page), ept_all);
    flush_ept();
    (void)l2.run_to_done({});
    l2.conclude();
}

void violations() {
    violation({"features.ept-read", 0, l2_reads, 1});
    violation({"features.ept-write", ept_read | ept_execute, l2_writes, 2});
    violation({"features.ept-fetch", ept_read | ept_write, l2_jumps, 4});
}

void remapping() {
    L2 l2{"features.ept-remap"};
    Page& first{scratch_page(0)};
    Page& second{scratch_page(1)};
    first.bytes[0] = 0x11;
    second.bytes[0] = 0x22;
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&first), physical(&second), ept_all);
    g_target = physical(&first);
    if (!l2.prepare(basic_controls(), ept, l2_reads)) return;
    flush_ept();
    if (!l2.run_to_done({})) return;
    l2.same("what L2 reads", 0x22, l2.registers.rbx);

    if (!l2.prepare(basic_controls(), ept, l2_writes)) return;
    if (!l2.run_to_done({})) return;
    const volatile Page& kept{first};
    const volatile Page& written{second};
    l2.same("the page that L2 does not see", 0x11, kept.bytes[0]);
    l2.same("the page that L2 sees", 0xDE, written.bytes[0]);
    l2.conclude();
}

void misconfiguration() {
    L2 l2{"features.ept-misconfiguration"};
    Page& page{scratch_page(0)};
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&page), physical(&page),
                  ept_write); // writable and not readable (Vol. 3C, 29.3.3.1)
    g_target = physical(&page) + 8;
    if (!l2.prepare(basic_controls(), ept, l2_reads)) return;
    flush_ept();
    if (!l2.go_to(ExitReason::ept_misconfiguration)) return;
    l2.same("guest-physical address", g_target, get(Field::guest_physical_address));
    l2.conclude();
}

void accessed_and_dirty() {
    constexpr std::string_view test{"features.ept-accessed-dirty"};
    if (!ept_accessed_dirty_supported()) {
        skip(test, "the processor has no accessed and dirty flags for EPT");
        return;
    }
    L2 l2{test};
    Page& read{scratch_page(0)};
    Page& written{scratch_page(1)};
    Page& untouched{scratch_page(2)};
    Ept& ept{feature_ept()};
    ept.map_identity();
    const Page* const pages[]{&read, &written, &untouched};
    for (const Page* page : pages)
        ept.map_small(physical(page), physical(page), ept_all);
    const L2Function functions[]{l2_reads, l2_writes};
    for (std::size_t i{0}; i < 2; ++i) {
        g_target = physical(pages[i]);
        if (!l2.prepare(basic_controls(), ept, functions[i])) return;
        set(Field::ept_pointer, ept.pointer(true));
        flush_ept();
        if (!l2.run_to_done({})) return;
    }
    constexpr std::uint64_t both{ept_accessed | ept_dirty};
    l2.same("flags of the page read", ept_accessed, ept.small_entry(physical(&read)) & both);
    l2.same("flags of the page written", both, ept.small_entry(physical(&written)) & both);
    l2.same("flags of the page left alone", 0, ept.small_entry(physical(&untouched)) & both);
    l2.conclude();
}

// L1 clears a dirty flag and goes without INVEPT, as it may where it has no VPID.
void dirty_again() {
    constexpr std::string_view test{"features.ept-dirty-again"};
    if (!ept_accessed_dirty_supported()) {
        skip(test, "the processor has no accessed and dirty flags for EPT");
        return;
    }
    L2 l2{test};
    Page& page{scratch_page(0)};
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.map_small(physical(&page), physical(&page), ept_all);
    g_target = physical(&page);
    Controls controls{basic_controls()};
    controls.cpu2 &= ~cpu2_vpid;
    for (unsigned round{0}; round < 3; ++round) {
        if (!l2.prepare(controls, ept, l2_writes)) return;
        set(Field::ept_pointer, ept.pointer(true));
        if (round == 0) flush_ept();
        if (!l2.run_to_done({})) return;
        l2.same("dirty flag", ept_dirty, ept.small_entry(physical(&page)) & ept_dirty);
        ept.map_small(physical(&page), physical(&page), ept_all);
    }
    l2.conclude();
}

// L2 writes its local APIC's task-priority register, from a page that holds nothing else of this file's L2s.
constexpr std::uint64_t apic_page{0xFEE00000};
constexpr std::uint32_t some_priority{0x20};

[[nodiscard]] volatile std::uint32_t& task_priority() {
    return *reinterpret_cast<volatile std::uint32_t*>(apic_page + 0x80);
}

[[gnu::aligned(4096)]] void l2_writes_priority() {
    l2_call(1);
    *reinterpret_cast<volatile std::uint32_t*>(apic_page + 0x80) = some_priority;
    l2_done();
}

[[nodiscard]] bool go_to_priority(L2& l2) {
    task_priority() = 0;
    Ept& ept{feature_ept()};
    ept.map_identity();
    ept.small_entry(apic_page) = apic_page | ept_all; // uncacheable
    return l2.prepare(basic_controls(), ept, l2_writes_priority);
}

void conclude_priority(L2& l2) {
    l2.same("task priority", some_priority, task_priority());
    task_priority() = 0;
    l2.conclude();
}

// L1 takes all of L2's code and tables out of its EPT and goes without INVEPT: L2 may run on for as long as
// the processor still knows the old translations, whatever it executes, and then there is a violation.
void stale_translations() {
    L2 l2{"features.ept-stale-store-to-apic"};
    if (!go_to_priority(l2)) return;
    flush_ept();
    if (!l2.go_to(ExitReason::vmcall)) return;
    const std::uint64_t code{get(Field::guest_rip)};
    l2.skip_instruction();
    feature_ept().map_large(code, 0, 0);
    if (!l2.go()) return;
    if (l2.reason == static_cast<std::uint64_t>(ExitReason::ept_violation)) {
        constexpr std::uint64_t large_size{2U << 20};
        const std::uint64_t start{code & ~(large_size - 1)};
        feature_ept().map_large(start, start, ept_all);
        if (!l2.go()) return;
    }
    l2.same("exit reason", static_cast<std::uint64_t>(ExitReason::vmcall), l2.reason);
    l2.same("last word of L2", l2_done_word, l2.registers.rax);
    conclude_priority(l2);
}

// The code can be fetched and not be read.
void execute_only() {
    constexpr std::string_view test{"features.ept-execute-only-store-to-apic"};
    constexpr std::uint32_t ept_vpid_cap{0x48C};
    if ((read_msr(ept_vpid_cap) & 1U) == 0) {
        skip(test, "the processor has no execute-only translations");
        return;
    }
    L2 l2{test};
    if (!go_to_priority(l2)) return;
    const std::uint64_t code{reinterpret_cast<std::uint64_t>(&l2_writes_priority)};
    feature_ept().map_small(code, code, ept_execute);
    flush_ept();
    if (!l2.go_to(ExitReason::vmcall)) return;
    l2.skip_instruction();
    if (!l2.run_to_done({})) return;
    conclude_priority(l2);
}

} // namespace

void test_memory() {
    violations();
    remapping();
    misconfiguration();
    accessed_and_dirty();
    dirty_again();
    stale_translations();
    execute_only();
    feature_ept().map_identity();
}

} // namespace shadowtune::micro_l1
