#pragma once

// Random problems for the tuner. Whole numbers, so that sums are exact in a double and "equal" means equal.

#include "tuner/optimizer.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace shadowtune::test {

class RandomInstances {
public:
    explicit RandomInstances(std::uint64_t seed) : m_random{seed} {}

    [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return m_random() % limit; }

    // Rules bite: read-only data, access rights, L0's own fields and the forbidden one are among the fields.
    [[nodiscard]] std::vector<vmcs::FieldIndex> fields(std::size_t count) {
        using vmcs::Field;
        const vmcs::FieldIndex special[]{
            vmcs::index_of(Field::exit_reason), vmcs::index_of(Field::guest_cs_access_rights),
            vmcs::index_of(Field::ept_pointer), vmcs::index_of(Field::vm_instruction_error)};
        vmcs::FieldSet chosen{};
        while (chosen.count() < count) {
            const bool pick{below(2) == 0};
            chosen.set(pick ? special[below(4)] : static_cast<vmcs::FieldIndex>(below(vmcs::field_count)));
        }
        std::vector<vmcs::FieldIndex> fields{};
        chosen.for_each([&](vmcs::FieldIndex field) { fields.push_back(field); });
        return fields;
    }

    // One field in eight is not offered.
    [[nodiscard]] vmcs::ProfileTarget target(const std::vector<vmcs::FieldIndex>& fields) {
        vmcs::ProfileTarget target{};
        target.vmwrite_any_field = below(2) == 0;
        for (const vmcs::FieldIndex field : fields) {
            if (below(8) != 0) target.offered.set(field);
        }
        return target;
    }

    [[nodiscard]] tuner::Workload workload(const std::vector<vmcs::FieldIndex>& fields,
                                           std::uint64_t round_trips) {
        tuner::Workload workload{};
        workload.round_trips = round_trips;
        workload.walk_entries = static_cast<double>(below(5));
        workload.switches = below(4) == 0 ? 0 : below(round_trips * 3);
        workload.switched_round_trips = std::min(below(workload.switches + 1), round_trips);
        for (const vmcs::FieldIndex field : fields) {
            workload.fields[field].reads = below(3) == 0 ? 0 : below(round_trips * 2);
            workload.fields[field].writes = below(3) == 0 ? 0 : below(round_trips);
            workload.fields[field].reads_to_memory = below(workload.fields[field].reads + 1);
            workload.fields[field].writes_from_memory = below(workload.fields[field].writes + 1);
            workload.fields[field].changes = below(round_trips);
            workload.fields[field].others = below(workload.switches + 1);
        }
        return workload;
    }

    [[nodiscard]] tuner::CostTable costs() {
        const auto number{[this](std::uint64_t limit) { return static_cast<double>(below(limit)); }};
        tuner::CostTable table{};
        for (tuner::FieldCosts& field : table.fields) {
            field = {number(50), number(20), number(80), number(20), number(20),
                     number(20), number(10), number(25), number(10), number(25),
                     number(10), number(6),  number(6),  number(6),  number(20)};
        }
        table.fixed = number(100);
        table.switch_shadow = number(30);
        return table;
    }

    // None, one, or both limits.
    [[nodiscard]] tuner::Budget budget(std::size_t fields, std::uint64_t sync) {
        tuner::Budget budget{};
        if (below(2) == 0) budget.fields = below(fields);
        if (below(2) == 0) budget.sync = static_cast<double>(below(sync));
        return budget;
    }

private:
    std::mt19937_64 m_random;
};

} // namespace shadowtune::test
