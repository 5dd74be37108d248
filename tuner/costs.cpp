#include "tuner/costs.hpp"

#include <algorithm>

namespace shadowtune::tuner {

namespace {

using db::Quantity;

// The figure of a field's type and width, or the nearest there is: of another width, of all fields, of
// another type. 0 where the quantity was not measured at all.
class Figures {
public:
    explicit Figures(const db::Calibration& calibration) : m_figures{calibration.figures} {}

    [[nodiscard]] double of(Quantity quantity, const vmcs::FieldInfo& field) const {
        double found{0};
        int best{-1};
        for (const db::CostFigure& figure : m_figures) {
            if (figure.quantity != quantity) continue;
            const int likeness{(figure.type == field.type ? 2 : 0) + (figure.width == field.width ? 1 : 0)};
            if (likeness <= best) continue;
            best = likeness;
            found = figure.median;
        }
        return std::max(found, 0.0);
    }

private:
    std::span<const db::CostFigure> m_figures;
};

// Exit information and what VM exits save stay in vmcs02 until somebody asks for them; some L0 keeps itself.
[[nodiscard]] bool lies_in_vmcs02(const vmcs::FieldInfo& field) {
    using vmcs::Field;
    switch (static_cast<Field>(field.encoding)) {
    case Field::vm_instruction_error:
    case Field::vmcs_link_pointer:
    case Field::vmx_preemption_timer_value:
    case Field::pml_index: return false;
    default: return field.type == vmcs::Type::read_only_data || field.type == vmcs::Type::guest_state;
    }
}

// The field as one whose value is at hand, where it is one of those.
[[nodiscard]] vmcs::FieldInfo by_its_place(vmcs::FieldInfo field) {
    if (!lies_in_vmcs02(field)) field.type = vmcs::Type::control;
    return field;
}

} // namespace

double CostTable::least_sync() const {
    return std::ranges::min(fields, {}, &FieldCosts::sync_read).sync_read;
}

double CostTable::dearest_read() const {
    return std::ranges::max(fields, {}, &FieldCosts::trap_read).trap_read;
}

CostTable uniform_costs(std::string name, std::string unit, std::string source, const FieldCosts& each,
                        double fixed) {
    CostTable table{std::move(name), std::move(unit), std::move(source), {}, fixed, 0};
    table.fields.fill(each);
    return table;
}

std::span<const CostTable> cost_tables() {
    static const std::array tables{
        uniform_costs(
            "published", "cycles",
            "KVM's commit messages: c5d167b27e (hot field, copies), 74a497fae7 (dirtying writes, Haswell)",
            {.trap_read = 1000, .trap_write = 1748, .sync_read = 10, .sync_write = 17}, 300),
        uniform_costs("instructions", "instructions",
                      "KVM 6.1 as L0 in the lab: per trapped access, and its shadow sync per copied field",
                      {.trap_read = 1150, .trap_write = 1170, .sync_read = 19.8, .sync_write = 19.8}, 3),
    };
    return tables;
}

const CostTable& published_costs() {
    return cost_tables()[0];
}

const CostTable& instruction_costs() {
    return cost_tables()[1];
}

const db::Calibration* calibration_for(std::span<const db::Calibration> all, const db::Machine& machine) {
    const db::Calibration* newest{nullptr};
    for (const db::Calibration& calibration : all) {
        const bool of_l0{std::ranges::find(calibration.figures, Quantity::trapped_read,
                                           &db::CostFigure::quantity) != calibration.figures.end()};
        if (of_l0 && calibration.machine.cpu_brand == machine.cpu_brand &&
            calibration.machine.cpu_signature == machine.cpu_signature) {
            newest = &calibration;
        }
    }
    return newest;
}

const CostTable* find_costs(std::string_view name) {
    const auto tables{cost_tables()};
    const auto found{std::ranges::find(tables, name, &CostTable::name)};
    return found == tables.end() ? nullptr : &*found;
}

CostTable measured_costs(const db::Calibration& calibration) {
    const Figures figures{calibration};
    CostTable table{"measured", calibration.unit, "calibration of " + calibration.machine.cpu_brand, {}, 0,
                    0};
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        const vmcs::FieldInfo& field{vmcs::catalogue[i]};
        const auto of{[&](Quantity quantity) { return figures.of(quantity, field); }};
        FieldCosts& costs{table.fields[i]};
        costs.trap_read = std::max(of(Quantity::trapped_read) - of(Quantity::shadow_read), 0.0);
        costs.fetch = lies_in_vmcs02(field) ? of(Quantity::trapped_read_fetch) : 0;
        // What a changed value dirties is paid for whichever way L1 wrote it: no part of either.
        costs.trap_write = std::max(of(Quantity::trapped_write) - of(Quantity::shadow_write), 0.0);
        costs.update = of(Quantity::trapped_write_update);
        costs.memory_read = of(Quantity::trapped_read_memory);
        costs.memory_write = of(Quantity::trapped_write_memory);
        costs.walk_entry = of(Quantity::trapped_walk_entry);
        costs.sync_read = figures.of(Quantity::sync_read, by_its_place(field));
        costs.sync_read_changed = of(Quantity::sync_read_changed);
        costs.sync_write = of(Quantity::sync_write);
        costs.sync_write_changed = of(Quantity::sync_write_changed);
        costs.switch_read = of(Quantity::switch_read);
        costs.switch_fetch = lies_in_vmcs02(field) ? of(Quantity::switch_fetch) : 0;
        costs.switch_read_changed = of(Quantity::switch_read_changed);
        costs.switch_write = of(Quantity::switch_write);
    }
    table.fixed = figures.of(Quantity::shadow, vmcs::catalogue[0]);
    table.switch_shadow = figures.of(Quantity::switch_shadow, vmcs::catalogue[0]);
    return table;
}

} // namespace shadowtune::tuner
