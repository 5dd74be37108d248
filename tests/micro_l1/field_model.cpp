#include "tests/micro_l1/field_model.hpp"

#include "tests/micro_l1/console.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint64_t max_printed{8}; // mismatches: the first tells, the thousandth hides it
constexpr std::uint64_t fnv_basis{0xCBF29CE484222325U};
constexpr std::uint64_t fnv_prime{0x100000001B3U};
constexpr std::uint64_t low_half{0xFFFFFFFF};

[[nodiscard]] vmcs::Encoding operand_of(vmcs::Field field, bool high) {
    return static_cast<vmcs::Encoding>(vmcs::encoding_of(field) | (high ? 1U : 0U));
}

} // namespace

void FieldModel::discover(const Controls& controls) {
    m_controls = controls;
    m_count = 0;
    m_trip = 0;
    m_errors = 0;
    m_hash = fnv_basis;
    const bool any_field{vmwrite_any_field()};
    for (std::size_t index{0}; index < vmcs::field_count; ++index) {
        const vmcs::FieldInfo& info{vmcs::catalogue[index]};
        std::uint64_t value{0};
        m_place[index] = 0;
        if (vmread(info.encoding, value) != VmxResult::succeed) continue;
        const bool writable{info.type != vmcs::Type::read_only_data || any_field};
        m_entries[m_count] = {
            static_cast<vmcs::Field>(info.encoding), value, ~std::uint64_t{0}, value, false, writable};
        m_place[index] = static_cast<std::uint16_t>(++m_count);
    }
}

const FieldModel::Entry* FieldModel::find(vmcs::Field field) const {
    const std::uint16_t place{m_place[vmcs::index_of(field)]};
    return place == 0 ? nullptr : &m_entries[place - 1];
}

bool FieldModel::has_high_half(std::size_t i) const {
    return vmcs::info(m_entries[i].field).has_high_half();
}

std::uint64_t FieldModel::value(vmcs::Field field) const {
    const Entry* const entry{find(field)};
    return entry == nullptr ? 0 : entry->value;
}

void FieldModel::mismatch(const Entry& entry, bool high, std::uint64_t wanted, std::uint64_t got) {
    if (m_errors++ >= max_printed) return;
    print_line("MISMATCH trip=", m_trip, " reason=", exit_reason_being_handled(),
               " field=", vmcs::info(entry.field).symbol, high ? "_high" : "",
               " encoding=", hex(operand_of(entry.field, high)), " wanted=", hex(wanted), " got=", hex(got),
               entry.written_last ? " kind=lost-write" : " kind=stale-read");
}

void FieldModel::report(const char* what, std::uint64_t wanted, std::uint64_t got) {
    if (m_errors++ >= max_printed) return;
    print_line("MISMATCH trip=", m_trip, " reason=", exit_reason_being_handled(), " ", what,
               " wanted=", hex(wanted), " got=", hex(got));
}

void FieldModel::read_entry(Entry& entry, bool high) {
    std::uint64_t got{0};
    if (vmread(operand_of(entry.field, high), got) != VmxResult::succeed) {
        report("VMREAD-failed encoding=", operand_of(entry.field, high), 0);
        return;
    }
    const unsigned shift{high ? 32U : 0U};
    const std::uint64_t wanted{entry.value >> shift};
    const std::uint64_t known{entry.known >> shift};
    if (((wanted ^ got) & known) != 0) mismatch(entry, high, wanted, got);
    m_hash = ((m_hash ^ operand_of(entry.field, high)) * fnv_prime ^ (got & known)) * fnv_prime;
    if (high) {
        entry.value = (entry.value & low_half) | got << 32;
        entry.known |= ~low_half;
    } else {
        entry.value = got;
        entry.known = ~std::uint64_t{0};
    }
}

void FieldModel::write_entry(Entry& entry, bool high, std::uint64_t value, std::uint64_t rubbish) {
    const std::uint64_t mask{vmcs::value_mask(vmcs::info(entry.field).width)};
    value &= mask;
    const std::uint64_t source{high ? (value >> 32 | (rubbish & ~low_half)) : (value | (rubbish & ~mask))};
    if (vmwrite(operand_of(entry.field, high), source) != VmxResult::succeed) {
        report("VMWRITE-failed encoding=", operand_of(entry.field, high), 0);
        return;
    }
    entry.value = high ? ((entry.value & low_half) | (value & ~low_half)) : value;
    entry.known |= high ? ~low_half : ~std::uint64_t{0};
    entry.written_last = true;
}

void FieldModel::read(std::size_t i, bool high) {
    read_entry(m_entries[i], high);
}

void FieldModel::write(std::size_t i, bool high, Prng& random) {
    Entry& entry{m_entries[i]};
    const std::uint64_t value{valid_value(entry.field, m_controls, entry.fixed, random)};
    write_entry(entry, high, value, random.next());
}

void FieldModel::read(vmcs::Field field) {
    read_entry(*find(field), false);
}
void FieldModel::write(vmcs::Field field, std::uint64_t value) {
    write_entry(*find(field), false, value, 0);
}

void FieldModel::check_all() {
    for (std::size_t i{0}; i < m_count; ++i) {
        read(i, false);
        if (has_high_half(i)) read(i, true);
    }
}

void FieldModel::after_exit() {
    for (std::size_t i{0}; i < m_count; ++i) {
        Entry& entry{m_entries[i]};
        entry.written_last = false;
        if (micro_l1::after_exit(entry.field) == AfterExit::undefined) entry.known = 0;
    }
}

void FieldModel::expect(vmcs::Field field, std::uint64_t value, std::uint64_t known) {
    Entry* const entry{find(field)};
    if (entry == nullptr) return;
    entry->value = value;
    entry->known = known;
}

} // namespace shadowtune::micro_l1
