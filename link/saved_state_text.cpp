// What a saved state's parts and faults are called: for the tools, the VMM sends numbers.

#include "link/saved_state.hpp"

namespace shadowtune::link {

std::string_view describe(SavedFault fault) {
    switch (fault) {
    case SavedFault::none: return "nothing is wrong";
    case SavedFault::cut_short: return "it ends too early: it was cut while it was copied";
    case SavedFault::no_saved_state: return "it is no saved state";
    case SavedFault::other_format: return "its format is of another version of shadowtune";
    case SavedFault::damaged: return "it is damaged: the CRC does not fit";
    case SavedFault::wrong_length: return "a length does not fit";
    case SavedFault::unknown_record: return "it has a record that this version does not know";
    case SavedFault::other_version: return "a record is of another version";
    case SavedFault::out_of_order: return "a record is missing, comes twice or at the wrong place";
    case SavedFault::bad_value: return "a number has no meaning there";
    case SavedFault::contradiction: return "it contradicts itself";
    case SavedFault::unknown_field: return "it names a field that there is not";
    case SavedFault::field_too_wide: return "a value is wider than its field";
    case SavedFault::other_catalogue: return "it was made with another field catalogue";
    }
    return "a fault that this version does not know";
}

std::string_view name_of(SavedRecord record) {
    switch (record) {
    case SavedRecord::machine: return "machine";
    case SavedRecord::bitmaps: return "bitmaps";
    case SavedRecord::registers: return "registers";
    case SavedRecord::msrs: return "msrs";
    case SavedRecord::extended_state: return "extended_state";
    case SavedRecord::vmx: return "vmx";
    case SavedRecord::vmcs01: return "vmcs01";
    case SavedRecord::vmcs12: return "vmcs12";
    case SavedRecord::vmcs02: return "vmcs02";
    case SavedRecord::statistics: return "statistics";
    case SavedRecord::counters: return "counters";
    case SavedRecord::recognition: return "recognition";
    }
    return "header";
}

} // namespace shadowtune::link
