# Bochs' trace while a machine boots, looked at now and then: whose instruction it is, and the ticks since the look before.
# -v windows=PREFIX: the table goes to the file PREFIXstages.
function whose(place) {
    if (place ~ /^0010:ffffffff/) return "L1: kernel"
    if (place ~ /^0008:ffffffff/) return "L0"
    if (place ~ /^0010:/) return "L1: decompression of the kernel"
    if (place ~ /^0033:/) return "L1: user space"
    if (place ~ /^0008:/) return "boot loader"
    return "firmware"
}
/^Tracing enabled/ { is_first = 1; next }
is_first && match($0, /^\(0\)\.\[[0-9]+\] \[0x[0-9a-f]+\] [0-9a-f]+:[0-9a-f]+/) {
    is_first = 0
    split(substr($0, 1, RLENGTH), part, " ")
    now = substr(part[1], 6) + 0
    stage = whose(part[3])
    if (!(stage in ticks)) order[++stages] = stage
    ticks[stage] += now - before
    before = now
}
END {
    for (i = 1; i <= stages; ++i) printf "%-34s %6.0f\n", order[i], ticks[order[i]] / 1e6 >(windows "stages")
    printf "%-34s %6.0f\n", "all", before / 1e6 >(windows "stages")
}
