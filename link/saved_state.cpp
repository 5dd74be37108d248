#include "link/saved_state.hpp"

#include "link/frame.hpp"

namespace shadowtune::link {

namespace {

using Bytes = std::span<const std::uint8_t>;
using Check = Result<void, SavedError>;

template <typename Record>
[[nodiscard]] Record copy_of(Bytes bytes) {
    Record record{};
    __builtin_memcpy(&record, bytes.data(), sizeof(Record));
    return record;
}

[[nodiscard]] std::uint32_t crc_of(Bytes whole) {
    return crc32c(whole.subspan(sizeof(SavedHeader)), crc32c(whole.first(offsetof(SavedHeader, crc))));
}

struct RawRecord {
    SavedRecord type{};
    std::uint16_t vcpu{whole_machine};
    Bytes payload{};

    [[nodiscard]] Failure<SavedError> fail(SavedFault fault, std::uint32_t detail = 0) const {
        return Failure{SavedError{fault, static_cast<std::uint16_t>(type), vcpu, detail}};
    }
};

// Takes one record off the front of `rest`.
[[nodiscard]] Result<RawRecord, SavedError> take_record(Bytes& rest) {
    RawRecord record{};
    if (rest.size() < sizeof(SavedRecordHeader)) return record.fail(SavedFault::cut_short);
    const auto header{copy_of<SavedRecordHeader>(rest)};
    rest = rest.subspan(sizeof(header));
    record.type = static_cast<SavedRecord>(header.type);
    record.vcpu = header.vcpu;
    if (header.type == 0 || header.type > last_saved_record) return record.fail(SavedFault::unknown_record);
    if (header.version != saved_versions[header.type - 1]) {
        return record.fail(SavedFault::other_version, header.version);
    }
    if (header.reserved != 0) return record.fail(SavedFault::bad_value);
    if (header.length > rest.size()) return record.fail(SavedFault::wrong_length, header.length);
    record.payload = rest.first(header.length);
    rest = rest.subspan(header.length);
    return record;
}

// The record that has to come next.
[[nodiscard]] Result<RawRecord, SavedError> expect(Bytes& rest, SavedRecord type, std::uint16_t vcpu) {
    const RawRecord missing{type, vcpu, {}};
    if (rest.empty()) return missing.fail(SavedFault::out_of_order);
    const auto record{take_record(rest)};
    if (!record) return record;
    if (record.value().type != type || record.value().vcpu != vcpu) {
        return record.value().fail(SavedFault::out_of_order);
    }
    return record;
}

template <typename Record>
[[nodiscard]] Check read_one(Bytes& rest, SavedRecord type, std::uint16_t vcpu, Record& to) {
    const auto record{expect(rest, type, vcpu)};
    if (!record) return Failure{record.error()};
    const Bytes payload{record.value().payload};
    if (payload.size() != sizeof(Record)) {
        return record.value().fail(SavedFault::wrong_length, static_cast<std::uint32_t>(payload.size()));
    }
    to = copy_of<Record>(payload);
    return {};
}

template <typename Record>
[[nodiscard]] Check read_list(Bytes& rest, SavedRecord type, std::uint16_t vcpu, SavedList<Record>& to) {
    const auto record{expect(rest, type, vcpu)};
    if (!record) return Failure{record.error()};
    const Bytes payload{record.value().payload};
    if (payload.size() % sizeof(Record) != 0) {
        return record.value().fail(SavedFault::wrong_length, static_cast<std::uint32_t>(payload.size()));
    }
    to = SavedList<Record>{payload};
    return {};
}

// A number that says yes or no.
[[nodiscard]] constexpr bool is_flag(std::uint8_t value) {
    return value <= 1;
}

[[nodiscard]] Check check_machine(const SavedMachine& machine) {
    const RawRecord record{SavedRecord::machine, whole_machine, {}};
    // First: indices of fields mean nothing where the catalogue is another.
    if (machine.catalogue_version != vmcs::catalogue_version) return record.fail(SavedFault::other_catalogue);
    if (!vmcs::FieldSet::are_members(machine.offered_fields)) return record.fail(SavedFault::bad_value, 1);
    if (machine.hidden_end < machine.hidden_begin) return record.fail(SavedFault::bad_value, 2);
    if (machine.l1_name[sizeof(machine.l1_name) - 1] != '\0') return record.fail(SavedFault::bad_value, 3);
    if (machine.vmm_version[sizeof(machine.vmm_version) - 1] != '\0') {
        return record.fail(SavedFault::bad_value, 4);
    }
    return {};
}

[[nodiscard]] Check check_bitmaps(const SavedBitmaps& bitmaps) {
    const RawRecord record{SavedRecord::bitmaps, whole_machine, {}};
    if (bitmaps.generation == 0) return record.fail(SavedFault::bad_value, 1);
    if (bitmaps.mode > static_cast<std::uint8_t>(last_mode)) return record.fail(SavedFault::bad_value, 2);
    if (!is_flag(bitmaps.has_profile)) return record.fail(SavedFault::bad_value, 3);
    const auto mode{static_cast<Mode>(bitmaps.mode)};
    const bool samples{bitmaps.sample_interval != 0};
    if ((mode != Mode::trap && bitmaps.has_profile == 0) || samples != (mode == Mode::sample))
        return record.fail(SavedFault::contradiction);
    return {};
}

[[nodiscard]] bool is_outcome(const RecognitionOutcome& outcome) {
    const bool closed{outcome.type[sizeof(outcome.type) - 1] == '\0' &&
                      outcome.runner_up[sizeof(outcome.runner_up) - 1] == '\0' &&
                      outcome.profile[sizeof(outcome.profile) - 1] == '\0'};
    return closed && outcome.verdict <= static_cast<std::uint8_t>(last_verdict) && outcome.reserved == 0;
}

[[nodiscard]] Check read_recognition(Bytes& rest, SavedRecognition& recognition,
                                     vmcs::Fingerprint& fingerprint) {
    const auto record{expect(rest, SavedRecord::recognition, whole_machine)};
    if (!record) return Failure{record.error()};
    const Bytes payload{record.value().payload};
    const auto wrong_length{static_cast<std::uint32_t>(payload.size())};
    if (!read_record(payload, recognition))
        return record.value().fail(SavedFault::wrong_length, wrong_length);
    if (recognition.state > static_cast<std::uint8_t>(last_recognition_state))
        return record.value().fail(SavedFault::bad_value, 1);
    for (const std::uint8_t byte : recognition.reserved) {
        if (byte != 0) return record.value().fail(SavedFault::bad_value, 3);
    }
    if (!is_outcome(recognition.outcome)) return record.value().fail(SavedFault::bad_value, 4);
    const Bytes packed{payload.subspan(sizeof(recognition))};
    if (recognition.state == static_cast<std::uint8_t>(RecognitionState::seen)) {
        if (const std::size_t size{unpack(packed, fingerprint)}; size == 0 || size != packed.size())
            return record.value().fail(SavedFault::bad_value, 2);
    } else if (!packed.empty()) {
        return record.value().fail(SavedFault::wrong_length, wrong_length);
    }
    return {};
}

[[nodiscard]] Check check_registers(const SavedRegisters& registers, std::uint16_t vcpu) {
    const RawRecord record{SavedRecord::registers, vcpu, {}};
    constexpr std::size_t rsp{4};
    if (registers.general[rsp] != 0) return record.fail(SavedFault::bad_value, 1);
    if (!is_flag(registers.nmi_pending) || !is_flag(registers.waits_for_startup)) {
        return record.fail(SavedFault::bad_value, 2);
    }
    for (const std::uint8_t byte : registers.reserved) {
        if (byte != 0) return record.fail(SavedFault::bad_value, 3);
    }
    return {};
}

[[nodiscard]] Check check_msrs(const SavedList<SavedMsr>& msrs, std::uint16_t vcpu) {
    const RawRecord record{SavedRecord::msrs, vcpu, {}};
    for (std::size_t i{1}; i < msrs.size(); ++i) {
        if (msrs[i].number <= msrs[i - 1].number) {
            return record.fail(SavedFault::out_of_order, msrs[i].number);
        }
    }
    return {};
}

[[nodiscard]] Check check_fields(const SavedList<SavedField>& fields, SavedRecord type, std::uint16_t vcpu) {
    const RawRecord record{type, vcpu, {}};
    std::uint32_t last{0};
    for (std::size_t i{0}; i < fields.size(); ++i) {
        const SavedField field{fields[i]};
        const vmcs::FieldIndex index{vmcs::find(field.encoding)};
        if (index == vmcs::no_field || vmcs::catalogue[index].encoding != field.encoding) {
            return record.fail(SavedFault::unknown_field, field.encoding);
        }
        if (i != 0 && field.encoding <= last) return record.fail(SavedFault::out_of_order, field.encoding);
        if ((field.value & ~vmcs::value_mask(vmcs::catalogue[index].width)) != 0) {
            return record.fail(SavedFault::field_too_wide, field.encoding);
        }
        last = field.encoding;
    }
    return {};
}

[[nodiscard]] constexpr bool is_region_address(std::uint64_t address) {
    return (address & 0xFFF) == 0;
}

[[nodiscard]] bool sets_overlap_or_are_unknown(const SavedVmx& vmx) {
    if (!vmcs::FieldSet::are_members(vmx.dirty) || !vmcs::FieldSet::are_members(vmx.in_vmcs02)) return true;
    // What L1 wrote is in vmcs12 and nowhere else.
    return !(vmcs::FieldSet::load(vmx.dirty) & vmcs::FieldSet::load(vmx.in_vmcs02)).empty();
}

[[nodiscard]] Check check_vmx(const SavedVmx& vmx, std::uint16_t vcpu) {
    const RawRecord record{SavedRecord::vmx, vcpu, {}};
    if (!is_flag(vmx.in_vmx_operation) || !is_flag(vmx.runs_l2) || !is_flag(vmx.launched) ||
        !is_flag(vmx.is_shadow)) {
        return record.fail(SavedFault::bad_value, 1);
    }
    if (vmx.reason > vmcs::no_round_trip) return record.fail(SavedFault::bad_value, 2);
    const bool in_vmx{vmx.in_vmx_operation != 0};
    const bool has_current{vmx.current_vmcs != no_address};
    const bool runs_l2{vmx.runs_l2 != 0};
    if (in_vmx != (vmx.vmxon_pointer != no_address)) return record.fail(SavedFault::contradiction, 1);
    if (in_vmx && !is_region_address(vmx.vmxon_pointer)) return record.fail(SavedFault::bad_value, 3);
    if (has_current && !is_region_address(vmx.current_vmcs)) return record.fail(SavedFault::bad_value, 4);
    // A current VMCS needs VMX operation, L2 and a launch state need a current VMCS, and the VMXON region is
    // no VMCS (SDM Vol. 3C, 25.11.5).
    if (has_current && (!in_vmx || vmx.current_vmcs == vmx.vmxon_pointer)) {
        return record.fail(SavedFault::contradiction, 2);
    }
    if (!has_current && (runs_l2 || vmx.launched != 0 || vmx.is_shadow != 0)) {
        return record.fail(SavedFault::contradiction, 3);
    }
    // A shadow VMCS cannot be entered (25.10).
    if (runs_l2 && vmx.is_shadow != 0) return record.fail(SavedFault::contradiction, 6);
    if (sets_overlap_or_are_unknown(vmx)) return record.fail(SavedFault::contradiction, 4);
    std::uint64_t any{vmx.timer_left};
    for (std::size_t i{0}; i < vmcs::FieldSet::words; ++i)
        any |= vmx.dirty[i] | vmx.in_vmcs02[i];
    if (!runs_l2 && any != 0) return record.fail(SavedFault::contradiction, 5);
    return {};
}

[[nodiscard]] Check check_counters(const SavedList<CounterRecord>& counters, std::uint16_t vcpu) {
    const RawRecord record{SavedRecord::counters, vcpu, {}};
    for (std::size_t i{0}; i < counters.size(); ++i) {
        const CounterRecord counter{counters[i]};
        const bool of_field{counter.counted < static_cast<std::uint8_t>(Counted::sampled_round_trips)};
        if (of_field && vmcs::find(counter.encoding) == vmcs::no_field) {
            return record.fail(SavedFault::unknown_field, counter.encoding);
        }
        if (!is_known(counter) || counter.count == 0) {
            return record.fail(SavedFault::bad_value, static_cast<std::uint32_t>(i));
        }
    }
    return {};
}

// An INIT is blocked in VMX root operation (SDM Vol. 3C, 24.8), and the first vCPU waits for no start-up IPI.
[[nodiscard]] bool cannot_wait_for_startup(const SavedVmx& vmx, std::uint16_t vcpu) {
    return vmx.in_vmx_operation != 0 || vcpu == 0;
}

// The records of one vCPU, taken off the front of `rest`.
[[nodiscard]] Check read_vcpu(Bytes& rest, std::uint16_t number, SavedVcpu& vcpu) {
    if (auto r{read_one(rest, SavedRecord::registers, number, vcpu.registers)}; !r) return r;
    if (auto r{check_registers(vcpu.registers, number)}; !r) return r;
    if (auto r{read_list(rest, SavedRecord::msrs, number, vcpu.msrs)}; !r) return r;
    if (auto r{check_msrs(vcpu.msrs, number)}; !r) return r;
    const auto extended{expect(rest, SavedRecord::extended_state, number)};
    if (!extended) return Failure{extended.error()};
    vcpu.extended_state = extended.value().payload;
    if (auto r{read_one(rest, SavedRecord::vmx, number, vcpu.vmx)}; !r) return r;
    if (auto r{check_vmx(vcpu.vmx, number)}; !r) return r;
    if (vcpu.registers.waits_for_startup != 0 && cannot_wait_for_startup(vcpu.vmx, number)) {
        return RawRecord{SavedRecord::registers, number, {}}.fail(SavedFault::contradiction);
    }
    const auto fields{[&](SavedRecord type, SavedList<SavedField>& list) -> Check {
        if (auto r{read_list(rest, type, number, list)}; !r) return r;
        return check_fields(list, type, number);
    }};
    if (auto r{fields(SavedRecord::vmcs01, vcpu.vmcs01)}; !r) return r;
    if (vcpu.vmx.current_vmcs != no_address) {
        if (auto r{fields(SavedRecord::vmcs12, vcpu.vmcs12)}; !r) return r;
    }
    if (vcpu.vmx.runs_l2 != 0) {
        if (auto r{fields(SavedRecord::vmcs02, vcpu.vmcs02)}; !r) return r;
    }
    if (auto r{read_one(rest, SavedRecord::statistics, number, vcpu.statistics)}; !r) return r;
    if (auto r{read_list(rest, SavedRecord::counters, number, vcpu.counters)}; !r) return r;
    return check_counters(vcpu.counters, number);
}

[[nodiscard]] Check check_header(Bytes bytes) {
    const RawRecord header_of{};
    if (bytes.size() < sizeof(SavedHeader)) return header_of.fail(SavedFault::cut_short);
    const auto header{copy_of<SavedHeader>(bytes)};
    if (header.magic != saved_magic) return header_of.fail(SavedFault::no_saved_state);
    if (header.format != saved_format) return header_of.fail(SavedFault::other_format, header.format);
    if (header.size > bytes.size()) return header_of.fail(SavedFault::cut_short);
    if (header.size != bytes.size()) return header_of.fail(SavedFault::wrong_length);
    if (header.crc != crc_of(bytes)) return header_of.fail(SavedFault::damaged);
    if (header.vcpus == 0 || header.vcpus > max_saved_vcpus) return header_of.fail(SavedFault::bad_value);
    return {};
}

} // namespace

Result<SavedState, SavedError> SavedState::parse(std::span<const std::uint8_t> bytes) {
    if (auto r{check_header(bytes)}; !r) return Failure{r.error()};
    SavedState state{};
    state.m_vcpus = copy_of<SavedHeader>(bytes).vcpus;
    Bytes rest{bytes.subspan(sizeof(SavedHeader))};
    if (auto r{read_one(rest, SavedRecord::machine, whole_machine, state.m_machine)}; !r) {
        return Failure{r.error()};
    }
    if (auto r{check_machine(state.m_machine)}; !r) return Failure{r.error()};
    if (auto r{read_one(rest, SavedRecord::bitmaps, whole_machine, state.m_bitmaps)}; !r) {
        return Failure{r.error()};
    }
    if (auto r{check_bitmaps(state.m_bitmaps)}; !r) return Failure{r.error()};
    if (auto r{read_recognition(rest, state.m_recognition, state.m_fingerprint)}; !r) {
        return Failure{r.error()};
    }
    state.m_records = rest;
    SavedVcpu ignored{};
    for (std::size_t i{0}; i < state.m_vcpus; ++i) {
        if (auto r{read_vcpu(rest, static_cast<std::uint16_t>(i), ignored)}; !r) return Failure{r.error()};
    }
    if (!rest.empty()) return RawRecord{}.fail(SavedFault::out_of_order);
    return state;
}

SavedVcpu SavedState::vcpu(std::size_t number) const {
    Bytes rest{m_records};
    SavedVcpu vcpu{};
    for (std::size_t i{0}; i <= number && i < m_vcpus; ++i) {
        vcpu = {};
        // It was read before without a fault.
        static_cast<void>(read_vcpu(rest, static_cast<std::uint16_t>(i), vcpu));
    }
    return vcpu;
}

SavedStateWriter::SavedStateWriter(std::span<std::uint8_t> out, std::uint16_t vcpus) : m_out{out} {
    m_header.magic = saved_magic;
    m_header.format = saved_format;
    m_header.vcpus = vcpus;
}

void SavedStateWriter::begin(SavedRecord type, std::uint16_t vcpu) {
    close();
    m_record = m_length;
    const auto number{static_cast<std::uint16_t>(type)};
    append(SavedRecordHeader{number, saved_versions[number - 1], vcpu, 0, 0});
}

void SavedStateWriter::append_bytes(std::span<const std::uint8_t> bytes) {
    const bool fits{m_length <= m_out.size() && bytes.size() <= m_out.size() - m_length};
    if (fits && !bytes.empty()) __builtin_memcpy(m_out.data() + m_length, bytes.data(), bytes.size());
    m_length += bytes.size();
}

void SavedStateWriter::close() {
    if (m_record == 0 || m_length > m_out.size()) return;
    const auto length{static_cast<std::uint32_t>(m_length - m_record - sizeof(SavedRecordHeader))};
    __builtin_memcpy(m_out.data() + m_record + offsetof(SavedRecordHeader, length), &length, sizeof(length));
}

std::size_t SavedStateWriter::finish() {
    close();
    if (m_length > m_out.size()) return 0;
    m_header.size = static_cast<std::uint32_t>(m_length);
    __builtin_memcpy(m_out.data(), &m_header, sizeof(m_header));
    m_header.crc = crc_of(m_out.first(m_length));
    __builtin_memcpy(m_out.data(), &m_header, sizeof(m_header));
    return m_length;
}

} // namespace shadowtune::link
