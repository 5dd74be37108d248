#pragma once

// The saved state of an L1: everything that L0 and the processor hold of its vCPUs, so that another L0 can go
// on with it. L1's memory, devices, local APICs, MTRRs and the TSC are no part of it (docs/save-restore.md).
//
// A header, then records, packed and little-endian like the messages. The order is fixed, so that there is
// one form for one state: the machine's records, then each vCPU's, in the order of their types:
//
//   machine, bitmaps, recognition, { registers, msrs, extended_state, vmx, vmcs01, [vmcs12], [vmcs02],
//   statistics, counters }
//
// vmcs12 is there where the vCPU has a current VMCS, vmcs02 where it runs L2. A reader refuses what it does
// not know: state that is dropped in silence is lost.

#include "link/recognition_messages.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::link {

inline constexpr std::uint32_t saved_magic{0x31535453}; // "STS1"
inline constexpr std::uint16_t saved_format{1}; // of header and record headers; records have their own
inline constexpr std::size_t max_saved_vcpus{64};
inline constexpr std::uint16_t whole_machine{0xFFFF}; // in place of a vCPU's number
inline constexpr std::uint64_t no_address{~std::uint64_t{0}};

struct [[gnu::packed]] SavedHeader {
    std::uint32_t magic;
    std::uint16_t format;
    std::uint16_t vcpus;
    std::uint32_t size; // of everything, this header included
    std::uint32_t crc;  // CRC-32C of all before this member and all behind it
};

enum class SavedRecord : std::uint16_t {
    machine = 1,        // SavedMachine
    bitmaps = 2,        // SavedBitmaps
    registers = 3,      // SavedRegisters
    msrs = 4,           // SavedMsr[], ascending
    extended_state = 5, // the XSAVE area in standard form, or FXSAVE's 512 bytes
    vmx = 6,            // SavedVmx
    vmcs01 = 7,         // SavedField[], ascending: L1's guest state
    vmcs12 = 8,         // SavedField[], ascending: the current VMCS, all fields that L1 is offered
    vmcs02 = 9,         // SavedField[], ascending: L2's guest state, its last exit and its event to inject
    statistics = 10,    // SavedStatistics
    counters = 11,      // CounterRecord[]
    recognition = 12,   // SavedRecognition, and where it says `seen`, the fingerprint (link/fingerprint.hpp)
};
inline constexpr std::uint16_t last_saved_record{12};

// Of each record, by type - 1. To be raised with the record's layout or meaning.
inline constexpr std::uint16_t saved_versions[last_saved_record]{1, 2, 1, 1, 1, 1, 1, 1, 1, 3, 4, 1};

struct [[gnu::packed]] SavedRecordHeader {
    std::uint16_t type;    // SavedRecord
    std::uint16_t version; // of this record
    std::uint16_t vcpu;    // or whole_machine
    std::uint16_t reserved;
    std::uint32_t length; // bytes that follow
};

struct [[gnu::packed]] SavedMachine {
    std::uint32_t catalogue_version;
    std::uint32_t cpu_signature; // CPUID 01H EAX
    std::uint32_t map_crc;       // CRC-32C of L1's memory map
    std::uint64_t boot_id;       // of the VMM that saved
    std::uint64_t tsc;           // when it was saved
    std::uint64_t hidden_begin;  // physical memory that L1 was never given: L0's
    std::uint64_t hidden_end;
    std::uint64_t memory_bytes; // RAM given to L1
    std::uint64_t offered_msrs[vmcs::capability_msr_count];
    std::uint64_t offered_fields[vmcs::FieldSet::words];
    char vmm_version[16];
    std::uint8_t l1_kind; // L1Kind
    char l1_name[95];
};

// The newest bitmaps; a vCPU is moved to them before it is saved.
struct [[gnu::packed]] SavedBitmaps {
    std::uint32_t generation;
    std::uint8_t mode;             // Mode in force
    std::uint8_t has_profile;      // one was loaded, in force or not: `profile`
    std::uint16_t sample_interval; // in mode sample; else 0
    ProfileImage profile;
};

// What was seen of L1 before L2 ran for the first time.
struct [[gnu::packed]] SavedRecognition {
    std::uint8_t state; // RecognitionState
    std::uint8_t reserved[3];
    RecognitionOutcome outcome; // zeros where the state is not `seen`
};

// What VMX does not switch, in the processor itself.
struct [[gnu::packed]] SavedRegisters {
    std::uint64_t general[16]; // by their numbers; RSP's place is 0, it is a field of the VMCS
    std::uint64_t cr2;
    std::uint64_t dr[4]; // DR0 to DR3; DR7 is a field of the VMCS
    std::uint64_t dr6;
    std::uint64_t xcr0;             // 0 where the processor has no XSAVE
    std::uint8_t nmi_pending;       // one came while L0 ran and is not delivered yet
    std::uint8_t waits_for_startup; // L1 has not started this processor yet, or has sent it an INIT
    std::uint8_t reserved[6];
};

struct [[gnu::packed]] SavedMsr {
    std::uint32_t number;
    std::uint64_t value;
};

struct [[gnu::packed]] SavedVmx {
    std::uint64_t feature_control; // IA32_FEATURE_CONTROL as L1 reads it
    std::uint64_t vmxon_pointer;   // no_address outside VMX operation
    std::uint64_t current_vmcs;    // no_address where none is
    std::uint8_t in_vmx_operation;
    std::uint8_t runs_l2;
    std::uint8_t launched;    // the current VMCS's launch state
    std::uint8_t is_shadow;   // the current VMCS is a shadow VMCS
    std::uint8_t reason;      // basic exit reason of the L2 exit that L1 handles, or vmcs::no_round_trip
    std::uint32_t timer_left; // L1's VMX-preemption timer while L2 runs
    std::uint64_t exit_age;   // TSC ticks since that L2 exit
    // Fields of vmcs12 while L2 runs, by catalogue index: changed since the entry, and valid in vmcs02 only.
    std::uint64_t dirty[vmcs::FieldSet::words];
    std::uint64_t in_vmcs02[vmcs::FieldSet::words];
};

struct [[gnu::packed]] SavedField {
    std::uint16_t encoding; // of the full field
    std::uint64_t value;
};

struct [[gnu::packed]] SavedStatistics {
    std::uint64_t vm_exits;
    std::uint64_t l2_exits_kept;
    std::uint64_t round_trips;
    std::uint64_t round_trip_ticks;
    std::uint64_t l0_ticks;
    std::uint64_t unknown_field_accesses;
    std::uint64_t reloads;
    std::uint64_t last_reload_ticks;
    std::uint64_t sync_reads;
    std::uint64_t sync_writes;
    std::uint64_t vmread_executed;
    std::uint64_t vmwrite_executed;
    std::uint64_t vmptrld_executed;
    std::uint64_t vmclear_executed;
    std::uint64_t memory_reads;
    std::uint64_t memory_writes;
    std::uint64_t walk_entries;
    std::uint64_t lost_counts;
    std::uint64_t round_trips_by_reason[vmcs::reason_slots];
};

// Why bytes are no saved state that this build can restore.
enum class SavedFault : std::uint8_t {
    none = 0,
    cut_short,       // fewer bytes than the header says, or than a header
    no_saved_state,  // another magic number
    other_format,    // detail: its format
    damaged,         // the CRC does not fit
    wrong_length,    // of a record; detail: its length
    unknown_record,  // a type that this build does not know
    other_version,   // of a record; detail: the version
    out_of_order,    // a record is missing, comes twice, or at the wrong place
    bad_value,       // a number that has no meaning there; detail: which member of the record
    contradiction,   // members that exclude each other
    unknown_field,   // detail: the encoding
    field_too_wide,  // a value wider than its field; detail: the encoding
    other_catalogue, // another build's field list
};

struct SavedError {
    SavedFault fault{SavedFault::none};
    std::uint16_t record{0}; // SavedRecord, 0: the header
    std::uint16_t vcpu{whole_machine};
    std::uint32_t detail{0};
};

// "damaged: the CRC does not fit"; for error lines.
[[nodiscard]] std::string_view describe(SavedFault fault);
[[nodiscard]] std::string_view name_of(SavedRecord record);

// Records of one kind that lie behind each other, wherever in memory.
template <typename Record>
class SavedList {
public:
    SavedList() = default;
    explicit SavedList(std::span<const std::uint8_t> bytes) : m_bytes{bytes} {}

    [[nodiscard]] std::size_t size() const { return m_bytes.size() / sizeof(Record); }
    [[nodiscard]] Record operator[](std::size_t i) const {
        Record record{};
        __builtin_memcpy(&record, m_bytes.data() + i * sizeof(Record), sizeof(Record));
        return record;
    }

private:
    std::span<const std::uint8_t> m_bytes{};
};

struct SavedVcpu {
    SavedRegisters registers{};
    SavedVmx vmx{};
    SavedStatistics statistics{};
    SavedList<SavedMsr> msrs{};
    std::span<const std::uint8_t> extended_state{};
    SavedList<SavedField> vmcs01{};
    SavedList<SavedField> vmcs12{}; // empty where there is no current VMCS
    SavedList<SavedField> vmcs02{}; // empty where L1 runs
    SavedList<CounterRecord> counters{};
};

// A checked blob; looks into the bytes, which must stay.
class SavedState {
public:
    // Structure, versions, CRC, every value that has a meaning on its own, and contradictions. What depends
    // on the machine is the VMM's to check (hypervisor/nested/restore_checks.hpp).
    [[nodiscard]] static Result<SavedState, SavedError> parse(std::span<const std::uint8_t> bytes);

    [[nodiscard]] const SavedMachine& machine() const { return m_machine; }
    [[nodiscard]] const SavedBitmaps& bitmaps() const { return m_bitmaps; }
    [[nodiscard]] const SavedRecognition& recognition() const { return m_recognition; }
    // Where the state is `seen`; else it is empty.
    [[nodiscard]] const vmcs::Fingerprint& fingerprint() const { return m_fingerprint; }
    [[nodiscard]] std::size_t vcpus() const { return m_vcpus; }
    [[nodiscard]] SavedVcpu vcpu(std::size_t number) const;

    SavedState() = default;

private:
    std::span<const std::uint8_t> m_records{}; // behind the header
    std::size_t m_vcpus{0};
    SavedMachine m_machine{};
    SavedBitmaps m_bitmaps{};
    SavedRecognition m_recognition{};
    vmcs::Fingerprint m_fingerprint{};
};

// Makes a blob, record by record in the order above. What does not fit is counted and not written.
class SavedStateWriter {
public:
    SavedStateWriter(std::span<std::uint8_t> out, std::uint16_t vcpus);

    void begin(SavedRecord type, std::uint16_t vcpu);
    void append_bytes(std::span<const std::uint8_t> bytes);
    template <typename Record>
    void append(const Record& record) {
        append_bytes({reinterpret_cast<const std::uint8_t*>(&record), sizeof(Record)});
    }
    // A record of one struct.
    template <typename Record>
    void write(SavedRecord type, std::uint16_t vcpu, const Record& record) {
        begin(type, vcpu);
        append(record);
    }
    // Its size, or 0 where `out` was too small.
    [[nodiscard]] std::size_t finish();

private:
    void close();

    std::span<std::uint8_t> m_out;
    SavedHeader m_header{};
    std::size_t m_length{sizeof(SavedHeader)};
    std::size_t m_record{0}; // where the open record's header lies; 0: none
};

} // namespace shadowtune::link
