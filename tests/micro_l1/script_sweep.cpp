// sweep: which fields exist, and whether each keeps what is written to it, in register and memory operand
// forms. Parameters: seed, rounds (writes of each field, default 4), list=1 (print each encoding).

#include "tests/micro_l1/console.hpp"
#include "tests/micro_l1/prng.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"
#include "tests/micro_l1/vmcs_access.hpp"
#include "tests/micro_l1/vmx_root.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint32_t fnv_basis{2166136261U};
constexpr std::uint32_t fnv_prime{16777619U};
constexpr std::uint64_t unsupported_component{12}; // SDM Vol. 3C, 31.4 "VM Instruction Error Numbers"

Page g_region;
std::uint8_t g_exists[vmcs::encodings_in_bitmap / 8];

[[nodiscard]] bool exists(std::uint32_t encoding) {
    return (g_exists[encoding / 8] >> (encoding % 8) & 1U) != 0;
}

struct Errors {
    std::uint32_t probe{0};
    std::uint32_t error_number{0};
    std::uint32_t value{0};
    std::uint32_t write{0};
};

// A 64-bit field's encodings share one value: the odd one is its upper half.
[[nodiscard]] std::uint64_t mask_of(std::uint32_t encoding) {
    if (vmcs::is_high_half(static_cast<vmcs::Encoding>(encoding))) return 0xFFFFFFFFU;
    const auto index{vmcs::find(encoding)};
    // Bits 31:17 and 11:8 of access rights are reserved and may read as 0 (Vol. 3C, Table 25-2).
    if (encoding >= 0x4814 && encoding <= 0x4822) return 0x1F0FF;
    return index == vmcs::no_field ? ~std::uint64_t{0} : vmcs::value_mask(vmcs::catalogue[index].width);
}

std::uint32_t find_fields(Errors& errors) {
    std::uint32_t hash{fnv_basis};
    for (std::uint32_t encoding{0}; encoding < vmcs::encodings_in_bitmap; ++encoding) {
        std::uint64_t value{0};
        const VmxResult result{vmread(encoding, value)};
        if (result == VmxResult::succeed) {
            g_exists[encoding / 8] = static_cast<std::uint8_t>(g_exists[encoding / 8] | 1U << (encoding % 8));
            hash = (hash ^ (encoding & 0xFFU)) * fnv_prime;
            hash = (hash ^ (encoding >> 8)) * fnv_prime;
            continue;
        }
        if (result == VmxResult::fail_invalid) ++errors.probe;
        // Reading the error each time would double the work; every 16th absent encoding is proof enough.
        if (encoding % 16 == 0 && get(vmcs::Field::vm_instruction_error) != unsupported_component) {
            ++errors.error_number;
        }
    }
    return hash;
}

void write_and_read_back(std::uint32_t encoding, Prng& random, std::uint64_t rounds, Errors& errors) {
    std::uint64_t original{0};
    if (vmread(encoding, original) != VmxResult::succeed) ++errors.probe;
    for (std::uint64_t round{0}; round < rounds; ++round) {
        const std::uint64_t wanted{random.next()};
        // One register form and one memory form for each value, either of them first.
        const std::size_t register_shape{random.below(8)};
        const std::size_t memory_shape{8 + random.below(8)};
        const bool write_from_memory{random.one_in(2)};
        if (vmwrite(encoding, wanted, write_from_memory ? memory_shape : register_shape) !=
            VmxResult::succeed) {
            ++errors.write;
            continue;
        }
        std::uint64_t by_register{0};
        std::uint64_t by_memory{0};
        if (vmread(encoding, by_register, register_shape) != VmxResult::succeed) ++errors.probe;
        if (vmread(encoding, by_memory, memory_shape) != VmxResult::succeed) ++errors.probe;
        const std::uint64_t mask{mask_of(encoding)};
        if ((by_register & mask) != (wanted & mask) || by_memory != by_register) {
            if (errors.value++ == 0) {
                fail("sweep.value", "encoding ", hex(encoding), " wanted ", hex(wanted & mask), " got ",
                     hex(by_register), " by register, ", hex(by_memory), " by memory");
            }
        }
    }
    if (vmwrite(encoding, original) != VmxResult::succeed) ++errors.write;
}

void print_list() {
    for (std::uint32_t encoding{0}; encoding < vmcs::encodings_in_bitmap; ++encoding) {
        if (exists(encoding)) print_line("FIELD ", hex(encoding));
    }
}

} // namespace

void run_sweep(const Parameters& parameters) {
    if (!enter_vmx_operation() || !load_fresh_vmcs(g_region)) return;
    Prng random{parameters.number("seed", 1)};
    const std::uint64_t rounds{parameters.number("rounds", 4)};
    Errors errors;
    for (auto& byte : g_exists)
        byte = 0;
    const std::uint32_t hash{find_fields(errors)};

    std::uint32_t fields{0};
    std::uint32_t high_halves{0};
    std::uint32_t written{0};
    std::uint32_t unknown_to_catalogue{0};
    const bool any_field{vmwrite_any_field()};
    for (std::uint32_t encoding{0}; encoding < vmcs::encodings_in_bitmap; ++encoding) {
        if (!exists(encoding)) continue;
        const auto short_encoding{static_cast<vmcs::Encoding>(encoding)};
        ++(vmcs::is_high_half(short_encoding) ? high_halves : fields);
        if (vmcs::find(encoding) == vmcs::no_field) ++unknown_to_catalogue;
        if (vmcs::type_of(short_encoding) == vmcs::Type::read_only_data && !any_field) continue;
        ++written;
        write_and_read_back(encoding, random, rounds, errors);
    }
    if (parameters.number("list", 0) != 0) print_list();
    print_line("RESULT name=sweep fields=", fields, " high_halves=", high_halves, " hash=", hex(hash),
               " written=", written, " unknown_to_catalogue=", unknown_to_catalogue,
               " any_field=", any_field ? 1 : 0);
    expect("sweep.absent-fields", "VMREADs of absent fields that did not fail as VMfailValid 12", 0,
           errors.probe + errors.error_number);
    expect("sweep.writes", "VMWRITEs that failed", 0, errors.write);
    expect("sweep.read-back", "values that differ", 0, errors.value);
}

} // namespace shadowtune::micro_l1
