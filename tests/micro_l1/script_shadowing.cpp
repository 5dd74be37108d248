// shadowing: VMCS shadowing as an L1 uses it for an L2 that is a hypervisor itself. L2 writes and reads every
// encoding under every setting of its two bits in L1's bitmaps, with a link pointer and without; what each
// must do is known. SDM Vol. 3C, 25.10, 26.1.3 and 31.3 (edition 325462-087). Parameter: seed.

#include "tests/micro_l1/l2_harness.hpp"
#include "tests/micro_l1/prng.hpp"
#include "tests/micro_l1/scripts.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint32_t encodings{vmcs::encodings_in_bitmap};
constexpr std::uint64_t no_pointer{~std::uint64_t{0}};
// CF, PF, AF, ZF, SF, OF: all set before each access, so that each of them is seen to be cleared.
constexpr std::uint64_t status_flags{0x8D5};
constexpr std::uint8_t carry{0x01}, zero{0x40};
constexpr std::uint8_t not_executed{0xEE};
constexpr std::uint64_t untouched{0xD1D2'D3D4'D5D6'D7D8};
constexpr std::uint64_t unsupported_component{12}, read_only_component{13};

struct Record {
    std::uint64_t value;
    std::uint8_t write_flags, read_flags;
};

Page g_shadow;
Page g_read_bitmap;
Page g_write_bitmap;
Record g_record[encodings];
std::uint64_t g_model[encodings]; // what the shadow VMCS must hold, by encoding
std::uint8_t g_exists[encodings];

// What L2 is to do: write and read the encodings from `first` in steps of `step`, below `end`.
struct Order {
    std::uint64_t first, end, step;
    std::uint64_t seed;
};
volatile Order g_order;

[[nodiscard]] std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 31)) * 0x9E3779B97F4A7C15U;
    return (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9U;
}
[[nodiscard]] std::uint64_t value_for(std::uint64_t encoding, std::uint64_t seed) {
    return mixed(encoding * 2 + 1 + (seed << 20));
}

// Register and memory operands in turn. PUSHF and POPF around the instruction, nothing else between them.
[[nodiscard]] std::uint8_t l2_write(std::uint64_t encoding, std::uint64_t value, bool memory) {
    std::uint64_t flags{status_flags | 2};
    if (memory) {
        asm volatile("pushq %0\n\tpopfq\n\tvmwrite %2, %1\n\tpushfq\n\tpopq %0"
                     : "+r"(flags)
                     : "r"(encoding), "m"(value)
                     : "cc", "memory");
    } else {
        asm volatile("pushq %0\n\tpopfq\n\tvmwrite %2, %1\n\tpushfq\n\tpopq %0"
                     : "+r"(flags)
                     : "r"(encoding), "r"(value)
                     : "cc", "memory");
    }
    // OF comes where bit 3 is, which is reserved.
    return static_cast<std::uint8_t>((flags & 0xD5) | (flags >> 8 & 8));
}
[[nodiscard]] std::uint8_t l2_read(std::uint64_t encoding, std::uint64_t& value, bool memory) {
    std::uint64_t flags{status_flags | 2};
    if (memory) {
        asm volatile("pushq %0\n\tpopfq\n\tvmread %2, %1\n\tpushfq\n\tpopq %0"
                     : "+r"(flags), "+m"(value)
                     : "r"(encoding)
                     : "cc", "memory");
    } else {
        asm volatile("pushq %0\n\tpopfq\n\tvmread %2, %1\n\tpushfq\n\tpopq %0"
                     : "+r"(flags), "+r"(value)
                     : "r"(encoding)
                     : "cc", "memory");
    }
    return static_cast<std::uint8_t>((flags & 0xD5) | (flags >> 8 & 8));
}

void l2_follows_orders() {
    for (;;) {
        const std::uint64_t seed{g_order.seed};
        for (std::uint64_t e{g_order.first}; e < g_order.end; e += g_order.step) {
            const bool memory{((mixed(e) ^ seed) & 1) != 0};
            const std::uint64_t slot{e < encodings ? e : 0};
            std::uint64_t value{untouched};
            const std::uint8_t written{l2_write(e, value_for(e, seed), memory)};
            const std::uint8_t read{l2_read(e, value, !memory)};
            Record& record{g_record[slot]};
            record.value = value;
            // An access that L1 took away leaves the flags as they were set: told apart here.
            record.write_flags = written == 0xDD ? not_executed : written;
            record.read_flags = read == 0xDD ? not_executed : read;
        }
        l2_call(l2_done_word);
    }
}

struct Errors {
    std::uint64_t exits{0}, flags{0}, values{0}, numbers{0}, information{0};
};

// Two bits for each encoding, all four settings in four rounds.
struct Permission {
    bool read, write;
};
[[nodiscard]] Permission permission(std::uint64_t encoding, std::uint64_t round) {
    const std::uint64_t bits{mixed(encoding) + round};
    return {(bits & 1) != 0, (bits & 2) != 0};
}

void set_bit(Page& page, std::uint64_t bit, bool on) {
    const auto mask{static_cast<std::uint8_t>(1U << (bit % 8))};
    page.bytes[bit / 8] =
        static_cast<std::uint8_t>(on ? page.bytes[bit / 8] | mask : page.bytes[bit / 8] & ~mask);
}

void permit(std::uint64_t encoding, const Permission& allowed) {
    set_bit(g_read_bitmap, encoding, !allowed.read);
    set_bit(g_write_bitmap, encoding, !allowed.write);
}

[[nodiscard]] std::uint64_t register_of(const GuestRegisters& registers, std::uint64_t number) {
    // GuestRegisters has all in order but RSP, number 4.
    const auto* const all{&registers.rax};
    return number < 4 ? all[number] : all[number - 1];
}

// An intercepted access: Table 28-14, the encoding's register in bits 31:28, bit 10 for a register operand.
void check_intercepted(L2& l2, bool write, std::uint64_t round, Errors& errors) {
    const std::uint64_t information{get(Field::vm_exit_instruction_information)};
    const std::uint64_t encoding{register_of(l2.registers, information >> 28)};
    if (encoding < encodings) {
        const Permission allowed{permission(encoding, round)};
        if (write ? allowed.write : allowed.read) ++errors.exits;
    }
    const bool memory{((mixed(encoding) ^ g_order.seed) & 1) != 0};
    const bool by_register{write ? !memory : memory};
    if (((information >> 10 & 1) != 0) != by_register) ++errors.information;
}

// Lets L2 do its order; false (reported) where it ends otherwise than by its word.
[[nodiscard]] bool run_order(L2& l2, std::uint64_t round, std::uint64_t& intercepted, Errors& errors) {
    for (;;) {
        if (!l2.go()) return false;
        const bool read{l2.reason == static_cast<std::uint64_t>(ExitReason::vmread)};
        const bool write{l2.reason == static_cast<std::uint64_t>(ExitReason::vmwrite)};
        l2.skip_instruction();
        if (!read && !write)
            return l2.same("end of L2's order", static_cast<std::uint64_t>(ExitReason::vmcall), l2.reason);
        ++intercepted;
        check_intercepted(l2, write, round, errors);
    }
}

// Reserved bits of access rights may read as 0 (Table 25-2).
[[nodiscard]] std::uint64_t mask_of(std::uint64_t encoding) {
    if ((encoding & 1) != 0) return 0xFFFFFFFF;
    if (encoding >= 0x4814 && encoding <= 0x4822) return 0x1F0FF;
    return vmcs::value_mask(vmcs::catalogue[vmcs::find(encoding)].width);
}

// With the shadow VMCS current, as L1 fills and reads it.
[[nodiscard]] bool with_shadow(L2& l2, std::uint64_t vmcs, void (*body)(Errors&), Errors& errors) {
    if (vmptrld(physical(&g_shadow)) != VmxResult::succeed)
        return l2.same("VMPTRLD of the shadow VMCS", 0, 1);
    body(errors);
    return vmptrld(vmcs) == VmxResult::succeed || l2.same("VMPTRLD back", 0, 1);
}

void fill_shadow(Errors&) {
    for (std::uint32_t e{0}; e < encodings; ++e) {
        std::uint64_t value{0};
        g_exists[e] = vmread(e, value) == VmxResult::succeed ? 1 : 0;
        if (g_exists[e] == 0 || (e & 1) != 0) continue;
        if (vmwrite(e, value_for(e, 0x5EED)) != VmxResult::succeed) g_exists[e] = 2; // read-only data
        if (vmread(e, value) == VmxResult::succeed) g_model[e] = value;
        if (vmread(e + 1, value) == VmxResult::succeed) g_model[e + 1] = value;
    }
}

void compare_shadow(Errors& errors) {
    for (std::uint32_t e{0}; e < encodings; ++e) {
        if (g_exists[e] == 0) continue;
        std::uint64_t value{0};
        if (vmread(e, value) != VmxResult::succeed || ((value ^ g_model[e]) & mask_of(e)) != 0)
            ++errors.values;
    }
}

void note_write(std::uint64_t encoding, std::uint64_t value) {
    g_model[encoding] = value & mask_of(encoding);
    if (vmcs::width_of(static_cast<vmcs::Encoding>(encoding)) != vmcs::Width::bits64) return;
    if ((encoding & 1) != 0) {
        g_model[encoding - 1] = (g_model[encoding - 1] & 0xFFFFFFFF) | g_model[encoding] << 32;
    } else {
        g_model[encoding + 1] = value >> 32;
    }
}

struct Wanted {
    std::uint8_t write_flags, read_flags;
    std::uint64_t value;
};

// What L2's write and read of one encoding must have done.
[[nodiscard]] Wanted wanted_of(std::uint64_t encoding, const Permission& allowed, bool linked,
                               std::uint64_t seed) {
    Wanted wanted{not_executed, not_executed, untouched};
    const bool exists{g_exists[encoding] != 0};
    if (allowed.write) {
        const bool writes{linked && exists && g_exists[encoding] == 1};
        wanted.write_flags = !linked ? carry : writes ? std::uint8_t{0} : zero;
        if (writes) note_write(encoding, value_for(encoding, seed));
    }
    if (allowed.read) {
        wanted.read_flags = !linked ? carry : exists ? std::uint8_t{0} : zero;
        if (linked && exists) wanted.value = g_model[encoding];
    }
    return wanted;
}

void compare_records(std::uint64_t round, bool linked, std::uint64_t seed, Errors& errors) {
    for (std::uint32_t e{0}; e < encodings; ++e) {
        const Wanted wanted{wanted_of(e, permission(e, round), linked, seed)};
        const Record& got{g_record[e]};
        if (got.write_flags != wanted.write_flags || got.read_flags != wanted.read_flags) ++errors.flags;
        const bool reads{wanted.read_flags == 0};
        const std::uint64_t mask{reads ? mask_of(e) : ~std::uint64_t{0}};
        if (((got.value ^ wanted.value) & mask) != 0) ++errors.values;
    }
}

void sweep(L2& l2, std::uint64_t vmcs, bool linked, std::uint64_t seed) {
    Errors errors{};
    std::uint64_t intercepted{0};
    set(Field::vmcs_link_pointer, linked ? physical(&g_shadow) : no_pointer);
    for (std::uint64_t round{0}; round < 4; ++round) {
        for (std::uint32_t e{0}; e < encodings; ++e)
            permit(e, permission(e, round));
        g_order.first = 0;
        g_order.end = encodings;
        g_order.step = 1;
        g_order.seed = seed + round;
        if (!run_order(l2, round, intercepted, errors)) return;
        compare_records(round, linked, seed + round, errors);
        if (!with_shadow(l2, vmcs, compare_shadow, errors)) return;
    }
    const std::string_view names[]{"shadowing.exits", "shadowing.flags", "shadowing.values",
                                   "shadowing.information"};
    const std::string_view unlinked[]{"shadowing.unlinked.exits", "shadowing.unlinked.flags",
                                      "shadowing.unlinked.values", "shadowing.unlinked.information"};
    const std::uint64_t counts[]{errors.exits, errors.flags, errors.values, errors.information};
    for (std::size_t i{0}; i < 4; ++i)
        expect((linked ? names : unlinked)[i], "accesses that differ", 0, counts[i]);
    // Of the two accesses of each encoding in four rounds, half are intercepted.
    expect(linked ? "shadowing.intercepted" : "shadowing.unlinked.intercepted", "exits", encodings * 4,
           intercepted);
}

// One access each, so that the VM-instruction error can be read; encodings at and above 2^15 always exit.
void numbers(L2& l2, bool linked, std::uint64_t seed) {
    Errors errors{};
    std::uint64_t intercepted{0}, tried{0};
    set(Field::vmcs_link_pointer, linked ? physical(&g_shadow) : no_pointer);
    g_order.step = 1;
    g_order.seed = seed;
    for (std::uint64_t e{0}; e < encodings; ++e) {
        if (g_exists[e] == 0 && e % 61 != 0) continue;
        permit(e, {true, true});
        set(Field::vm_instruction_error, 0);
        g_order.first = e;
        g_order.end = e + 1;
        if (!run_order(l2, 0, intercepted, errors)) return;
        if (linked && g_exists[e] == 1) note_write(e, value_for(e, seed));
        const std::uint64_t wanted{!linked || g_exists[e] == 1 ? 0
                                   : g_exists[e] == 2          ? read_only_component
                                                               : unsupported_component};
        // A good read comes behind the write that failed, and leaves the number.
        if (get(Field::vm_instruction_error) != wanted) ++errors.numbers;
        const Record& record{g_record[e]};
        const std::uint8_t failed{linked ? zero : carry};
        if ((record.read_flags == 0) != (linked && g_exists[e] != 0)) ++errors.flags;
        if (record.read_flags != 0 && record.read_flags != failed) ++errors.flags;
        ++tried;
    }
    expect(linked ? "shadowing.error-numbers" : "shadowing.unlinked.error-numbers", "numbers that differ", 0,
           errors.numbers + errors.flags + intercepted);
    for (unsigned bit{15}; bit < 64; ++bit) {
        const std::uint64_t e{std::uint64_t{1} << bit};
        g_order.first = e | 0x681E;
        g_order.end = g_order.first + 1;
        if (!run_order(l2, 0, intercepted, errors)) return;
    }
    expect(linked ? "shadowing.reserved-bits" : "shadowing.unlinked.reserved-bits", "exits", 49 * 2,
           intercepted);
    print_line("RESULT name=shadowing linked=", linked ? 1 : 0, " error_numbers=", tried);
}

} // namespace

void run_shadowing(const Parameters& parameters) {
    constexpr std::string_view test{"shadowing"};
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu, basic.cpu2 | cpu2_vmcs_shadowing, basic.exit, basic.entry};
    if (!supported(controls) || !vmwrite_any_field()) {
        skip(test, "the processor has no VMCS shadowing");
        return;
    }
    const std::uint64_t seed{parameters.number("seed", 1) * 16};
    feature_ept().map_identity();
    L2 l2{test};
    if (!l2.prepare(controls, feature_ept(), l2_follows_orders)) return;
    const std::uint64_t vmcs{vmptrst()};
    write_revision(g_shadow);
    g_shadow.bytes[3] = static_cast<std::uint8_t>(g_shadow.bytes[3] | 0x80U);
    if (!l2.same("VMCLEAR of the shadow VMCS", 0, static_cast<std::uint64_t>(vmclear(physical(&g_shadow)))))
        return;
    Errors errors{};
    if (!with_shadow(l2, vmcs, fill_shadow, errors)) return;
    set(Field::vmread_bitmap, physical(&g_read_bitmap));
    set(Field::vmwrite_bitmap, physical(&g_write_bitmap));
    for (const bool linked : {true, false}) {
        sweep(l2, vmcs, linked, seed);
        numbers(l2, linked, seed + 8);
    }
    std::uint64_t fields{0};
    for (const std::uint8_t exists : g_exists)
        fields += exists != 0 ? 1 : 0;
    print_line("RESULT name=shadowing encodings=", encodings, " fields=", fields);
}

} // namespace shadowtune::micro_l1
