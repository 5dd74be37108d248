#pragma once

// The messages between the VMM and the host tools. A payload is one record of this file, as it lies in
// memory: packed and little-endian, with the variable part, where there is one, behind the fixed part.
// link/frame.hpp carries them.
//
// The host asks, the VMM answers; the VMM speaks unasked only to greet (hello) and to log. Every command
// carries an id and may be sent again: the VMM repeats the answer without doing the work twice. Counters are
// cumulative from power-on, so a snapshot that is lost costs freshness and nothing else.
//
// Ids are the host's choice, never 0, and never the same for two different commands of one connection.
// hello_request, status_request and snapshot_request are answered once for each vCPU where the answer names
// one. Where a snapshot stays incomplete the host asks again under a new id: answers to one id may have
// frozen different counters, and their parts must not be mixed. Where the VMM is busy the host sends the
// command again under a new id as well.

#include "vmcs/exit_reason.hpp"
#include "vmcs/machine.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::link {

inline constexpr std::uint16_t protocol_version{6};
inline constexpr std::size_t max_payload{1024}; // bytes of one message

enum class MessageType : std::uint8_t {
    // host to VMM
    hello_request = 0x01,       // Command
    snapshot_request = 0x02,    // SnapshotRequest
    load_profile = 0x03,        // LoadProfile
    set_mode = 0x04,            // SetMode
    status_request = 0x05,      // Command
    save_request = 0x06,        // Command: stops L1
    blob_request = 0x07,        // BlobRequest: a part of what was saved
    release = 0x08,             // Release: what becomes of a saved L1
    restore_begin = 0x09,       // RestoreBegin
    restore_chunk = 0x0A,       // BlobChunk + bytes
    restore_commit = 0x0B,      // RestoreCommit
    fingerprint_request = 0x0C, // Command
    add_profile = 0x0D,         // AddProfile + image (link/recognition_messages.hpp)
    timings_request = 0x0E,     // Command
    // VMM to host
    hello = 0x81,         // Hello
    snapshot_head = 0x82, // SnapshotHead
    snapshot_part = 0x83, // SnapshotPart + CounterRecord[count]
    acknowledge = 0x84,   // Acknowledge
    status = 0x85,        // Status
    log = 0x86,           // Log + text
    blob_chunk = 0x87,    // BlobChunk + bytes
    blob_state = 0x88,    // BlobState
    fingerprint = 0x89,   // FingerprintReport + fingerprint (link/recognition_messages.hpp)
    timings = 0x8A,       // Timings
};

// How the bitmaps are made.
enum class Mode : std::uint8_t {
    trap = 0,   // all ones: every access exits and is counted, exact
    tuned = 1,  // the loaded profile's
    sample = 2, // the loaded profile's, but that every access exits in one of so many round trips
};
inline constexpr Mode last_mode{Mode::sample};

// Why a command was refused; the old bitmaps stay in force, and whoever ran runs on.
enum class CommandStatus : std::uint8_t {
    done = 0,
    malformed = 1,        // wrong size or version of the record
    other_catalogue = 2,  // the sender's catalogue_version is not the VMM's
    profile_rejected = 3, // detail: vmcs::ProfileRule, field: the FieldIndex
    no_profile = 4,       // mode tuned or sample without a loaded profile
    unknown_command = 5,
    busy = 6,           // an earlier reload is still on its way; send again
    l1_stopped = 7,     // L1 is saved, or not there yet: nothing can be reloaded or counted
    other_blob = 8,     // the VMM holds no saved state of this CRC
    l1_not_awaited = 9, // an L1 runs: there is no place for another
    blob_refused = 10,  // detail: RestoreFault; field: what it is about, see there
    cannot_save = 11,   // detail: RestoreFault: a state that could not be restored
    no_room = 12,       // for another profile to pick from
    l2_has_run = 13,    // what L1 is, is settled: there is nothing to pick any more
};

struct [[gnu::packed]] Command {
    std::uint32_t id;
};

struct [[gnu::packed]] SnapshotRequest {
    std::uint32_t id;
    std::uint32_t known; // number of a snapshot that the host has, whole; 0: none
};

// The sets of a profile in their binary form; also the contents of a `profile` boot module, with magic in
// front.
struct [[gnu::packed]] ProfileImage {
    std::uint32_t magic;             // profile_magic
    std::uint32_t catalogue_version; // vmcs::catalogue_version
    std::uint64_t read[vmcs::FieldSet::words];
    std::uint64_t write[vmcs::FieldSet::words];
    char name[32]; // for people, zero-padded, UTF-8
};
inline constexpr std::uint32_t profile_magic{0x31505453}; // "STP1"

struct [[gnu::packed]] LoadProfile {
    std::uint32_t id;
    ProfileImage image;
};

struct [[gnu::packed]] SetMode {
    std::uint32_t id;
    std::uint8_t mode; // Mode
    std::uint8_t reserved;
    std::uint16_t sample_interval; // mode sample: one of so many round trips, in the mean; else 0
};

struct [[gnu::packed]] Hello {
    std::uint32_t id; // of the request, 0 when unasked
    std::uint16_t protocol_version;
    std::uint16_t vcpus;
    std::uint32_t catalogue_version;
    std::uint64_t boot_id; // TSC at L0's start mixed with its image's CRC: another boot, another number
    char vmm_version[16];
    char cpu_brand[48];                                      // CPUID 80000002H to 80000004H
    std::uint32_t cpu_signature;                             // CPUID 01H EAX
    std::uint32_t tsc_khz;                                   // 0 where the processor does not tell
    std::uint64_t memory_bytes;                              // RAM given to L1
    std::uint64_t hardware_msrs[vmcs::capability_msr_count]; // IA32_VMX_* of the processor
    std::uint64_t offered_msrs[vmcs::capability_msr_count];  // IA32_VMX_* as L1 reads them
    std::uint64_t offered_fields[vmcs::FieldSet::words];     // fields that L1 can access
    std::uint64_t physical_fields[vmcs::FieldSet::words];    // fields that the processor has
    std::uint8_t l1_kind;                                    // L1Kind
    char l1_name[95]; // boot loader name, kernel version or command line, zero-padded
};

enum class L1Kind : std::uint8_t {
    unknown = 0,
    linux_bzimage = 1,
    multiboot1 = 2,
    multiboot2 = 3,
    bios_disk = 4,
};

// A round trip that takes longer has L1 idle, waiting for its own user, between an L2 exit and the next L2
// entry. It counts as a round trip, but its ticks say nothing about L0 or L1 and are left out of
// round_trip_ticks.
inline constexpr std::uint64_t longest_timed_round_trip{1'000'000};

// Everything counted but the accesses by field. Ticks are TSC ticks; in the lab one tick is one instruction.
struct [[gnu::packed]] SnapshotHead {
    std::uint32_t id;     // of the request
    std::uint32_t number; // L0's own, of this vCPU's answer: never 0, another for each of a boot
    std::uint32_t since;  // the records are those that changed since this one; 0: all that are not 0
    std::uint16_t vcpu;
    std::uint16_t parts; // SnapshotPart messages that follow
    std::uint64_t tsc;   // when the counters were frozen
    std::uint8_t mode;   // Mode in force
    std::uint8_t reserved;
    std::uint16_t sample_interval;  // as of SetMode
    std::uint32_t generation;       // of the bitmaps in force
    std::uint64_t round_trips;      // L2 exits delivered to L1 and answered by VMLAUNCH or VMRESUME
    std::uint64_t round_trip_ticks; // from L2 exit to the next L2 entry, L0's and L1's work together; but
                                    // those above longest_timed_round_trip
    std::uint64_t l0_ticks;         // of these, spent in L0
    std::uint64_t vm_exits;         // all exits to L0
    std::uint64_t l2_exits_kept;    // exits of L2 that L0 handled without L1
    std::uint64_t unknown_field_accesses; // VMREAD or VMWRITE of a field that L1 is not offered
    std::uint64_t sync_reads;             // VMREADs of the shadow VMCS (W to vmcs12)
    std::uint64_t sync_writes;            // VMWRITEs to the shadow VMCS (vmcs12 to R)
    std::uint64_t vmread_executed;        // by L0, for any purpose
    std::uint64_t vmwrite_executed;
    std::uint64_t vmptrld_executed;
    std::uint64_t vmclear_executed;
    std::uint64_t memory_reads;      // trapped VMREADs in round trips whose operand is memory
    std::uint64_t memory_writes;     // trapped VMWRITEs, likewise
    std::uint64_t walk_entries;      // of L1's paging structures that L0 read for these operands
    std::uint64_t reloads;           // bitmaps swapped since power-on
    std::uint64_t last_reload_ticks; // L0's work at the safe point of the last reload
};

struct [[gnu::packed]] CounterRecord {
    std::uint16_t encoding; // as L1 used it: odd for a high half; 0 where `counted` is of no field
    std::uint8_t counted;   // Counted
    std::uint8_t reason;    // basic exit reason of the L2 exit being handled, or vmcs::no_round_trip
    std::uint64_t count;    // cumulative
};

enum class Access : std::uint8_t { read = 0, write = 1 };

// Every trapped access is counted once: in a sampled round trip as a sampled one, else as a plain one; a
// plain one whose operand is memory besides as such. Sampled ones appear when their round trip ends, so that
// they and the sampled round trips always agree; the squares of how many each round trip made tell how far a
// rate may be off.
//
// What copies cost depends on how often a value is another than the one that the shadow VMCS holds. That is
// counted where L0 has both values at hand, in sampled round trips as in others.
enum class Counted : std::uint8_t {
    reads = 0,
    writes = 1,
    sampled_reads = 2, // of the field, high half included: the encoding is even
    sampled_writes = 3,
    squared_reads = 4, // sum over the sampled round trips of the square of each one's reads
    squared_writes = 5,
    memory_reads = 6, // of `reads`, those to memory
    memory_writes = 7,
    changed = 8, // of the whole field: L1's first VMREAD after an exit found another value than vmcs12 had
    other =
        9, // likewise: VMPTRLDs counted in `switches` after which it had another value; see one_compared_in
    sampled_round_trips = 10,
    round_trips = 11,          // all, by basic exit reason of the L2 exit
    switches = 12,             // VMPTRLDs in round trips that made another VMCS current
    switched_round_trips = 13, // round trips that had one of these
};
inline constexpr std::uint8_t last_counted{13};

// At one switch in so many the two VMCSs are compared, and each difference counts as so many in `other`. Odd,
// since an L1 that turns from one VMCS to another turns back again.
inline constexpr std::uint64_t one_compared_in{17};

// Of reads or writes in any of their four forms.
[[nodiscard]] constexpr Access access_of(Counted counted) {
    return static_cast<Access>(static_cast<unsigned>(counted) & 1U);
}
// Does the record name what can be counted? Any bytes may come over the line, or from a file.
[[nodiscard]] constexpr bool is_known(const CounterRecord& record) {
    if (record.counted > last_counted || record.reason >= vmcs::reason_slots) return false;
    const bool of_field{record.counted < static_cast<std::uint8_t>(Counted::sampled_round_trips)};
    if (!of_field) return record.encoding == 0;
    const bool of_halves{record.counted <= static_cast<std::uint8_t>(Counted::writes) ||
                         record.counted == static_cast<std::uint8_t>(Counted::memory_reads) ||
                         record.counted == static_cast<std::uint8_t>(Counted::memory_writes)};
    return vmcs::find(record.encoding) != vmcs::no_field &&
           (of_halves || !vmcs::is_high_half(record.encoding));
}

struct [[gnu::packed]] SnapshotPart {
    std::uint32_t id; // of the request
    std::uint16_t vcpu;
    std::uint16_t part;  // 0 to parts - 1
    std::uint16_t count; // records that follow
};

inline constexpr std::size_t records_per_part{(max_payload - sizeof(SnapshotPart)) / sizeof(CounterRecord)};

struct [[gnu::packed]] Acknowledge {
    std::uint32_t id;     // of the command
    std::uint8_t command; // MessageType
    std::uint8_t status;  // CommandStatus
    std::uint8_t detail;  // vmcs::ProfileRule or RestoreFault, by status
    std::uint8_t reserved;
    std::uint16_t field; // vmcs::FieldIndex where status is profile_rejected, or see RestoreFault
    std::uint16_t reserved2;
    std::uint32_t generation; // that the command made or will make; see Status for who runs it
};

struct [[gnu::packed]] Status {
    std::uint32_t id;
    std::uint16_t vcpu;
    std::uint8_t mode;
    std::uint8_t l1_state;           // L1State
    std::uint32_t generation;        // in force on this vCPU
    std::uint32_t newest_generation; // accepted; equal to generation once every safe point was passed
    std::uint64_t tsc;
    std::uint64_t round_trips;
    std::uint64_t last_reload_ticks;
    char profile_name[32];
    std::uint16_t sample_interval;  // as of SetMode
    std::uint64_t round_trip_ticks; // as of SnapshotHead
};

enum class L1State : std::uint8_t {
    running = 0,
    in_vmx_operation = 1,
    running_l2 = 2,
    stopped = 3,             // by L0, for good
    saved = 4,               // until the host releases it
    awaited = 5,             // the VMM waits for a saved L1
    waiting_for_startup = 6, // a processor that L1 has not started, or has sent an INIT
};

// TSC ticks of one thing that was done so often.
struct [[gnu::packed]] Timing {
    std::uint32_t least;
    std::uint32_t lower_quartile;
    std::uint32_t median;
    std::uint32_t upper_quartile;
    std::uint32_t most;
};

// What the processor takes, measured before L1 ran.
struct [[gnu::packed]] Timings {
    std::uint32_t id;          // of the request
    std::uint32_t repetitions; // 0: not measured, since this VMM was started anew for a saved L1
    Timing vmptrld;            // of an active VMCS that is not current
    Timing vmclear;            // of the current one
    Timing exit_entry;         // an entry of L1 and its exit at once; all 0 where that failed
};

enum class LogLevel : std::uint8_t { info = 0, warning = 1, error = 2 };

struct [[gnu::packed]] Log {
    std::uint8_t level; // LogLevel
    // UTF-8 text up to the end of the payload
};

static_assert(sizeof(Hello) <= max_payload && sizeof(SnapshotHead) <= max_payload);
static_assert(sizeof(CounterRecord) == 12 && sizeof(ProfileImage) == 104);

} // namespace shadowtune::link
