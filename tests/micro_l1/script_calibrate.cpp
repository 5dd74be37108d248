// calibrate: an L1 whose round trips are all alike, for the host to measure. L2 exits after each instruction;
// L1 makes the accesses that the profile in force asks for by its name, and enters L2 again. L0 tells the
// name by CPUID 40000001H.
//
//   KIND ENCODING x TIMES, such as r681ex10: KIND is one of those below; encoding and times are hexadecimal
//   quit: the machine is powered off
//
// Any other name asks for no access.

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/ept.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"
#include "tests/micro_l1/vmcs_access.hpp"
#include "tests/micro_l1/vmcs_setup.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint32_t generation_leaf{0x4000'0001};
constexpr std::uint64_t rflags_fixed{1U << 1}, rflags_tf{1U << 8}, debug_exception{1U << 1};
constexpr std::size_t name_bytes{12};

enum class Kind : char {
    none = '-',            // as often round the loop, without an access
    read = 'r',            // VMREAD to a register
    read_memory = 'R',     // to memory, in a page of 2 MiB
    read_small_page = 'P', // to memory, in a page of 4 KiB
    write = 'w',           // VMWRITE of the value that the field has
    write_memory = 'W',    // the same from memory
    write_changed = 'c',   // VMWRITE of a value that differs from the last one
    turn = 't',            // VMPTRLD of another VMCS, in which the field has another value, and back
};

struct Orders {
    Kind kind{Kind::none};
    std::uint64_t encoding{0};
    std::uint64_t times{0};
    bool quit{false};
};

Page g_vmcs;
Page g_second_vmcs;
Ept g_ept;
alignas(4096) std::uint8_t g_code[4096];
alignas(16) std::uint8_t g_stack[256];
alignas(4096) std::uint64_t g_page_table[512];
alignas(4096) std::uint64_t g_small_page[512];

// Where g_small_page is mapped as a page of 4 KiB: above the lab's memory, where the tables of boot.S have a
// page of 2 MiB that nobody uses.
constexpr std::uint64_t small_page_address{0x3FE0'0000};

void map_small_page() {
    constexpr std::uint64_t address_bits{0x000F'FFFF'FFFF'F000}, present_writable{3};
    constexpr unsigned entry_bits{9}, directory_shift{21};
    const auto entry{[](std::uint64_t table, unsigned shift) {
        return reinterpret_cast<std::uint64_t*>(table & address_bits) +
               (small_page_address >> shift & ((1U << entry_bits) - 1));
    }};
    const std::uint64_t pdpt{*entry(read_cr3(), directory_shift + 2 * entry_bits)};
    const std::uint64_t directory{*entry(pdpt, directory_shift + entry_bits)};
    g_page_table[0] = physical(g_small_page) | present_writable;
    *entry(directory, directory_shift) = physical(g_page_table) | present_writable;
    write_cr3(read_cr3());
}

[[nodiscard]] std::uint64_t hexadecimal(std::string_view digits) {
    std::uint64_t value{0};
    for (const char digit : digits)
        value = value * 16 + static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    return value;
}

[[nodiscard]] Orders parse(std::string_view name) {
    constexpr std::string_view form{"r0000x00"};
    if (name.starts_with("quit")) return {Kind::none, 0, 0, true};
    if (name.size() < form.size() || name[5] != 'x') return {};
    return {static_cast<Kind>(name[0]), hexadecimal(name.substr(1, 4)), hexadecimal(name.substr(6, 2)),
            false};
}

// So often, with nothing in the loop but its own two instructions.
template <typename Action>
void repeat(std::uint64_t times, Action action) {
    for (; times != 0; --times)
        action();
}

constexpr std::uint64_t other_bit{1U << 12}; // any bit that addresses and read shadows may have

// The second VMCS becomes a copy of the current one in all but this field, and as launched: in one that is to
// be launched L0 sees no part of a round trip.
void make_second_vmcs(std::uint64_t encoding) {
    std::uint64_t value{};
    (void)load_fresh_vmcs(g_second_vmcs);
    (void)vmclear(physical(&g_second_vmcs));
    g_second_vmcs = g_vmcs;
    (void)vmptrld(physical(&g_second_vmcs));
    (void)vmread_shape(0, encoding, value);
    (void)vmwrite_shape(0, encoding, value ^ other_bit);
    (void)vmptrld(physical(&g_vmcs));
}

void carry_out(const Orders& orders, std::uint64_t& value) {
    const std::uint64_t encoding{orders.encoding};
    std::uint64_t memory{value};
    switch (orders.kind) {
    case Kind::none: return repeat(orders.times, [] { asm volatile(""); });
    case Kind::read:
        return repeat(orders.times, [&] {
            std::uint64_t read;
            asm volatile("vmread %1, %0" : "=r"(read) : "r"(encoding) : "cc");
        });
    case Kind::read_memory:
        return repeat(orders.times, [&] {
            asm volatile("vmread %1, %0" : "=m"(memory) : "r"(encoding) : "cc");
        });
    case Kind::read_small_page: {
        auto& there{*reinterpret_cast<std::uint64_t*>(small_page_address)};
        return repeat(orders.times, [&] {
            asm volatile("vmread %1, %0" : "=m"(there) : "r"(encoding) : "cc");
        });
    }
    case Kind::write:
        return repeat(orders.times, [&] {
            asm volatile("vmwrite %0, %1" : : "r"(value), "r"(encoding) : "cc");
        });
    case Kind::write_memory:
        return repeat(orders.times, [&] {
            asm volatile("vmwrite %0, %1" : : "m"(memory), "r"(encoding) : "cc");
        });
    case Kind::write_changed:
        return repeat(orders.times, [&] {
            value ^= other_bit;
            asm volatile("vmwrite %0, %1" : : "r"(value), "r"(encoding) : "cc");
        });
    case Kind::turn:
        return repeat(orders.times, [] {
            (void)vmptrld(physical(&g_second_vmcs));
            (void)vmptrld(physical(&g_vmcs));
        });
    }
}

// Until the host says quit. False where L2 cannot be entered.
[[nodiscard]] bool serve() {
    GuestRegisters registers{};
    Orders orders{};
    std::uint32_t generation{0};
    std::uint64_t value{0};
    for (bool launch{true};; launch = false) {
        if (enter_l2(registers, launch) != EntryResult::exited) return false;
        const CpuidResult in_force{cpuid(generation_leaf)};
        if (in_force.eax != generation) {
            generation = in_force.eax;
            orders = parse({reinterpret_cast<const char*>(&in_force.ebx), name_bytes});
            if (orders.quit) return true;
            if (orders.times != 0) (void)vmread_shape(0, orders.encoding, value);
            if (orders.kind == Kind::turn) make_second_vmcs(orders.encoding);
        }
        carry_out(orders, value);
    }
}

} // namespace

void run_calibrate(const Parameters&) {
    // PUSH RAX and POP RAX: RSP is another at each exit, too.
    write_looped_code(g_code, 0x50, 0x58);
    map_small_page();
    g_ept.map_identity();
    const L2Start start{physical(g_code), physical(g_stack) + sizeof(g_stack)};
    if (!enter_vmx_operation() || !set_up_vmcs(g_vmcs, basic_controls(), g_ept, start)) return;
    // L2 steps: a debug exception behind each instruction, of which L1 has to know nothing (SDM Vol. 3B,
    // 18.3.1.4 "Single-Step Exception Condition").
    set(vmcs::Field::guest_rflags, rflags_fixed | rflags_tf);
    set(vmcs::Field::exception_bitmap, debug_exception);
    print_line("CALIBRATING");
    if (!serve()) {
        fail("calibrate", "VM entry failed, VM-instruction error ", get(vmcs::Field::vm_instruction_error));
    }
}

} // namespace shadowtune::micro_l1
