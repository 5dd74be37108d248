#pragma once

// The messages that carry the saved state of an L1 (link/saved_state.hpp), like the others of
// link/messages.hpp.
//
// Saving: save_request stops L1 and is answered with a BlobState; the host fetches the blob in parts, as
// often and in whatever order it likes; release ends it. Restoring: the host says with restore_begin what is
// coming, sends the parts in order, and commits. Size and CRC name the blob, so that after a cut, or with
// another connection, either end goes on where it was.

#include "link/messages.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::link {

// Why a saved state is not restored on this machine; `field` of the answer has what follows in brackets.
enum class RestoreFault : std::uint8_t {
    none = 0,
    malformed = 1,           // see SavedFault (link/saved_state.hpp) [SavedFault]
    other_processor = 2,     // CPUID signature
    other_vmx_offer = 3,     // L1 was offered other capability MSRs or fields [MSR, or 0]
    other_memory = 4,        // another memory map, or L0 lies where L1's memory is
    not_l1s_memory = 5,      // it is not the state that L1's memory was left with
    other_vcpus = 6,         // number of vCPUs
    address_outside = 7,     // a pointer lies outside L1's memory [its low 16 bits: 1 VMXON region, 2 VMCS]
    fields_incomplete = 8,   // a VMCS lacks a field, or has one that is not L1's [encoding]
    profile_rejected = 9,    // bitmaps: see vmcs::ProfileRule [FieldIndex]
    bad_controls = 10,       // the checks of VM entry: SDM Vol. 3C, 27.2.1 [encoding]
    bad_host_state = 11,     // 27.2.2 to 27.2.4 [encoding]
    bad_l1_state = 12,       // 27.3.1, L1's guest state [encoding]
    bad_l2_state = 13,       // 27.3.1, L2's guest state [encoding]
    bad_msr = 14,            // not one that is saved, or the processor refuses the value [low 16 bits]
    bad_extended_state = 15, // size, header or MXCSR
    too_large = 16,          // more than the VMM has room for
    feature_control = 17,    // IA32_FEATURE_CONTROL without what VMX operation needs
    a20_gate_in_use = 18,    // L1 has closed the A20 gate, or is about to use it: not saved
    vcpus_not_at_rest = 19,  // a processor does not come, or an INIT or start-up IPI is on its way: not now
};

struct [[gnu::packed]] BlobRequest {
    std::uint32_t id;
    std::uint32_t crc; // CRC-32C of the whole blob
    std::uint32_t offset;
};

struct [[gnu::packed]] BlobChunk {
    std::uint32_t id;
    std::uint32_t crc;
    std::uint32_t offset;
    // the bytes from there on, up to the end of the payload
};
inline constexpr std::size_t blob_chunk_bytes{max_payload - sizeof(BlobChunk)};

enum class ReleaseAction : std::uint8_t {
    resume = 0,  // L1 goes on
    restart = 1, // the VMM forgets everything and starts anew; it waits for the saved L1
};

struct [[gnu::packed]] Release {
    std::uint32_t id;
    std::uint32_t crc;   // of the blob that the host has
    std::uint8_t action; // ReleaseAction
};

struct [[gnu::packed]] RestoreBegin {
    std::uint32_t id;
    std::uint32_t crc;
    std::uint32_t size;
};

struct [[gnu::packed]] RestoreCommit {
    std::uint32_t id;
    std::uint32_t crc;
};

// Answers save_request, restore_begin and restore_chunk.
struct [[gnu::packed]] BlobState {
    std::uint32_t id;
    std::uint8_t command; // MessageType
    std::uint8_t status;  // CommandStatus
    std::uint8_t detail;  // RestoreFault where status is cannot_save
    std::uint8_t reserved;
    std::uint16_t field;
    std::uint16_t reserved2;
    std::uint32_t crc;
    std::uint32_t size;
    std::uint32_t held; // bytes that the VMM has: all of a saved blob, the first ones of one that comes
};

} // namespace shadowtune::link
