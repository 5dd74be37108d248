#!/bin/bash
# linux_l1_save.sh CYCLES [PROCESSORS]: Linux 6.1 as L1, whose KVM runs an L2, is saved in the middle of it, the VMM starts anew,
# and L1 goes on; so many times. With 2 PROCESSORS an L2 runs on each. Each L2 gives the result that it gives on the bare
# processor.
source "$(dirname "$0")/lab.sh"

workload=${WORKLOAD:-mix 2000}
processors=${2:-1}

linux_l1
lab_start --bare --ips 50000000 --timeout 600
type_line "$workload"
type_line "quit"
lab_end
wanted=$(grep -o 'result=[0-9a-f]*' "$OUTPUT") || die "the workload gave no result on the bare processor"

linux_l1
lab_start_under_vmm --ips 50000000 --timeout 3400 --cpus "$processors"
wait_for "L1 ready" 1 300

state=$WORK/l1.state
link_verb() { "$SHADOWTUNE" "$@" --link "$LINK" --timeout 120 >>"$WORK/verbs.out" 2>&1 || { cat "$WORK/verbs.out" >&2; die "'$*' failed"; }; }
results() { grep -c ' exits=' "$OUTPUT" || true; }

in_l2=0
handling=0
others=0
typed=0
for ((cycle = 1; cycle <= $1; ++cycle)); do
    # The next ones wait in the console while some run.
    while [ "$typed" -lt $(($(results) + 2 * processors)) ]; do
        if [ "$processors" -eq 1 ]; then type_line "$workload"; else type_line "$workload $((typed % processors))"; fi
        typed=$((typed + 1))
    done
    link_verb save "$state"
    while read -r mode; do
        case $mode in
        "L2 runs") in_l2=$((in_l2 + 1)) ;;
        "L1 handles"*) handling=$((handling + 1)) ;;
        *) others=$((others + 1)) ;;
        esac
    done < <("$SHADOWTUNE" info "$state" --format json | sed -n 's/^ *"mode": "\(.*\)",$/\1/p')
    link_verb restart "$state"
    link_verb restore "$state"
done
wait_for ' exits=' "$typed" 300
type_line "quit"
lab_end
[ "$(grep -o 'result=[0-9a-f]*' "$OUTPUT" | sort -u)" = "$wanted" ] || die "L2's results differ from $wanted"
[ $((in_l2 + handling)) -gt 0 ] || die "no save fell into an L2 loop"
echo "RESULT name=linux-save cycles=$1 in_l2=$in_l2 exits_handled=$handling elsewhere=$others l2_results=$typed result=${wanted#result=}"
