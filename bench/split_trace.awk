# Bochs' trace into windows, one file each: physical address, RIP and mnemonic of each instruction.
BEGIN { is_open = 0; file = windows "0" }
/^Tracing enabled/ { close(file); file = windows (++n); next }
/^\(0\)\.\[/ {
    # (0).[ticks] [0x000000001234] 0010:ffffffff81000000 (symbol): mnemonic operands ; bytes
    if (match($0, /^\(0\)\.\[[0-9]+\] \[0x[0-9a-f]+\] [0-9a-f]+:[0-9a-f]+ \([^)]*\): /) == 0) next
    rest = substr($0, RLENGTH + 1)
    split(substr($0, 1, RLENGTH), part, " ")
    sub(/ .*/, "", rest)
    sub(/^.*:/, "", part[3])
    print substr(part[2], 4, length(part[2]) - 4), part[3], rest >file
}
