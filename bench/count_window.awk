# What L0 executed for each nested round trip, from a window of Bochs' trace (split_trace.awk), read twice:
#   awk -f count_window.awk WINDOW WINDOW
# Prints: round trips, and for each VM exits, L0's instructions, VMREAD, VMWRITE, VMPTRLD, VMCLEAR.
#
# In VMX root operation is what runs from the first instruction of L0's exit handler to L0's VMRESUME. The handler is where most
# exits go: of the addresses that came right after a VMRESUME or VMLAUNCH, and lie next to one, the one met most often. (Below
# another L0 its own guest, a hypervisor with the same kernel, has them at the same virtual address; so physical ones are compared.)
# -v handler=RIP: where it does not lie there.
# -v alone=1: nobody nests. All instructions count, the guest's among them, and each entry ends a round trip.
function is_entry(mnemonic) { return mnemonic == "vmresume" || mnemonic == "vmlaunch" }
function low_bits(rip,    i, value) {
    for (i = 11; i <= 16; ++i) value = value * 16 + index("123456789abcdef", substr(rip, i, 1))
    return value
}
function is_next_to(a, b,    apart) {
    apart = low_bits(a) - low_bits(b)
    return substr(a, 1, 8) == substr(b, 1, 8) && apart > -256 && apart < 256
}
FNR == NR {
    if (handler != "") {
        if ($2 == handler) exit_handler = $1
        next
    }
    if (was_entry) candidate[$1] = $2
    if (was_entry = is_entry($3)) entry_rip[$2] = 1
    ++met[$1]
    next
}
FNR == 1 {
    for (address in candidate)
        for (rip in entry_rip)
            if (is_next_to(candidate[address], rip) && met[address] > met[exit_handler]) exit_handler = address
}
{
    if (alone) root = known = 1
    else if ($1 == exit_handler) { root = 1; known = 1; ++exits }
    if (root) {
        ++instructions
        ++executed[$3]
    }
    if (is_entry($3) && known) {
        # L1's own exits to L0: the end of a round trip.
        if (alone) ++exits
        if (alone || !root) {
            if (trips++ == 0) {
                exits = instructions = 0
                delete executed
            } else {
                all_exits = exits
                all = instructions
                for (what in executed) total[what] = executed[what]
            }
        }
        root = 0
    }
}
END {
    if (--trips <= 0) { print "count_window: no round trip in this window" >"/dev/stderr"; exit 1 }
    printf "%d %.3f %.1f %.3f %.3f %.3f %.3f\n", trips, all_exits / trips, all / trips, total["vmread"] / trips,
        total["vmwrite"] / trips, total["vmptrld"] / trips, total["vmclear"] / trips
}
