# The rows of bench/paired as an SVG: for each workload a bar for each L0, L0's instructions on a logarithmic scale.
function place(value) { return value < low ? 0 : width * log(value / low) / log(high / low) }
BEGIN {
    low = 100; high = 100000; width = 560; left = 190; bar = 13; gap = 14; top = 40
    count = split("kvm_off kvm_static trap kvm_list all tuned", names, " ")
    split("#9a9a9a #5f5f5f #c6dbef #6baed6 #3182bd #e6550d", colours, " ")
    split("KVM, no shadow VMCS|KVM, its static list|all trapped|KVM's list|all shadowed|tuned", titles, "|")
    for (i = 1; i <= count; ++i) number[names[i]] = i
}
$2 in number {
    if (!($1 in seen)) { seen[$1] = 1; workloads[++n] = $1 }
    l0[$1, number[$2]] = $4
}
END {
    height = top + n * (count * bar + gap) + 40
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n", left + width + 110, height
    print "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
    print "<text x=\"10\" y=\"20\" font-size=\"14\">L0's instructions per nested round trip (logarithmic)</text>"
    for (value = low; value <= high; value *= 10) {
        x = left + place(value)
        printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#dddddd\"/>\n", x, top - 8, x, height - 30
        printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#555555\">%d</text>\n", x, height - 14, value
    }
    y = top
    for (w = 1; w <= n; ++w) {
        printf "<text x=\"10\" y=\"%.1f\" font-weight=\"bold\">%s</text>\n", y + count * bar / 2, workloads[w]
        for (i = 1; i <= count; ++i) {
            if ((workloads[w], i) in l0) {
                value = l0[workloads[w], i]
                printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left, y, place(value), bar - 2, colours[i]
                printf "<text x=\"%.1f\" y=\"%d\">%d</text>\n", left + place(value) + 4, y + bar - 3, value
                printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#555555\" font-size=\"10\">%s</text>\n", left - 5, y + bar - 3, titles[i]
            }
            y += bar
        }
        y += gap
    }
    print "</svg>"
}
