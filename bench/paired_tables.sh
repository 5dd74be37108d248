# Sourced by bench/paired: what lies in its database, as text, JSON, CSV and SVG.

# L0's instructions are what nesting costs: those of a round trip, less those that the same exit takes where L1 runs on the machine
# itself. Cycles are modelled: one an instruction, and for each VM exit, VMREAD or VMWRITE, and VMPTRLD or VMCLEAR the figures of the
# cost table `published` (docs/cost-model.md: 1,000, 10 and 100).
rows="SELECT workload, configuration, instructions,
        max(0, instructions - (SELECT instructions FROM measured WHERE workload = m.workload AND configuration = 'single_level')) AS l0_instructions,
        vm_exits, vmread, vmwrite, vmptrld, vmclear,
        instructions + 1000 * vm_exits + 10 * (vmread + vmwrite) + 100 * (vmptrld + vmclear) AS cycles, l0_traced, window
    FROM measured AS m
    ORDER BY instr(' cpuid out hlt ept msr vmcall interrupt linux_boot linux_work', ' ' || workload),
        instr(' kvm_off kvm_static trap kvm_list all tuned single_level', ' ' || configuration)"

echo "| workload | L0 | instructions | of these L0's | kvm_static / this | VM exits | VMREAD | VMWRITE | VMPTRLD | VMCLEAR | cycles (model) |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
query "WITH r AS ($rows) SELECT printf('| %s | %s | %,d | %,d | %s | %.2f | %.1f | %.1f | %.2f | %.2f | %,d |', workload, configuration,
        round(instructions), round(l0_instructions),
        CASE WHEN l0_instructions > 0 THEN printf('%.1f', (SELECT l0_instructions FROM r AS k
            WHERE k.workload = r.workload AND k.configuration = 'kvm_static') / l0_instructions) ELSE '' END,
        vm_exits, vmread, vmwrite, vmptrld, vmclear, round(cycles)) FROM r"

if [ -n "$csv" ]; then query -csv -header "$rows" >"$csv"; fi
if [ -n "$json" ]; then
    query "WITH r AS ($rows), w AS (SELECT workload, json_group_object(configuration, json_object('instructions', instructions,
            'l0_instructions', l0_instructions, 'vm_exits', vm_exits, 'vmread', vmread, 'vmwrite', vmwrite, 'vmptrld', vmptrld,
            'vmclear', vmclear, 'modelled_cycles', cycles)) AS j FROM r GROUP BY workload)
        SELECT json_group_object(workload, json(j)) FROM w" >"$json"
fi
if [ -n "$svg" ]; then query -csv "$rows" | awk -F, -f "$bench/paired_chart.awk" >"$svg"; fi
