#include "tuner/exports.hpp"
#include "tuner/optimizer.hpp"

#include <array>
#include <cstdio>

namespace shadowtune::tuner {

namespace {

[[nodiscard]] std::string number(double value, int decimals) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return text.data();
}

// A text from outside as a cell of a table.
[[nodiscard]] std::string cell(std::string_view text) {
    std::string safe{};
    for (const char c : text) {
        if (c == '|' || c == '\\' || c == '<' || c == '`' || c == '*' || c == '_') safe += '\\';
        safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return safe;
}

// What shadowing the field gains per round trip, in the words of the cost model.
[[nodiscard]] std::string reason(const MeasuredRate& rate, bool write, const vmcs::FieldInfo& field,
                                 const FieldCosts& costs) {
    const FieldUse use{rate.reads, rate.writes, 0, 1};
    const double reads{read_cost(use, costs, false)};
    const double writes{write_cost(use, costs, false, true)};
    std::string text{"reads save " + number(reads, 0) + ", a copy costs " + number(costs.sync_read, 0)};
    if (write) {
        text += "; writes save " + number(writes, 0) + ", a copy back costs " + number(costs.sync_write, 0);
        if (reads <= costs.sync_read) text += "; read-shadowed only because writes have to be";
    } else if (writes > costs.sync_write) {
        const auto why{vmcs::reason(field.shadowing)};
        text += "; writes stay trapped: ";
        text += why.empty() ? "read-only data, or no room in the budget" : why;
    } else if (rate.writes > 0) {
        text += "; writes are too rare to pay for a copy back";
    }
    return text;
}

[[nodiscard]] std::string hot_set(const Profile& profile) {
    const CostTable* const costs{find_costs(profile.origin.costs)};
    std::string text{"| field | shadowed | reads | writes | why |\n|---|---|---|---|---|\n"};
    profile.sets.hot_set().for_each([&](vmcs::FieldIndex index) {
        const vmcs::FieldInfo& field{vmcs::catalogue[index]};
        const bool write{profile.sets.write.test(index)};
        text += "| " + cell(field.name) + " | " + (write ? "R, W" : "R") + " | ";
        const auto rate{profile.rates.find(index)};
        if (rate == profile.rates.end()) {
            text += "| | not measured |\n";
            return;
        }
        text += number(rate->second.reads, 4) + " | " + number(rate->second.writes, 4) + " | ";
        text += (costs == nullptr ? "its costs are not known here"
                                  : reason(rate->second, write, field, costs->fields[index])) +
                " |\n";
    });
    return text;
}

[[nodiscard]] std::string prediction(const Profile& profile) {
    const Comparison& all{*profile.predicted};
    std::string text{"| | trapped reads | trapped writes | copies | " + cell(profile.cost_unit) +
                     " |\n|---|---|---|---|---|\n"};
    const auto add{[&](const char* name, const Effect& effect) {
        text += std::string{"| "} + name + " | " + number(effect.trapped_reads, 4) + " | " +
                number(effect.trapped_writes, 4) + " | " + number(effect.synced, 0) + " | " +
                number(effect.cost, 0) + " |\n";
    }};
    add("no shadow", all.none);
    add("every field", all.full);
    add("KVM's static list", all.kvm_list);
    add("this profile", all.tuned);
    return text;
}

[[nodiscard]] std::string recordings(const Profile& profile) {
    std::string text{"| recording | workload | phase | snapshots | round trips | weight | regret |\n"
                     "|---|---|---|---|---|---|---|\n"};
    for (const RecordingUsed& used : profile.origin.recordings) {
        text += "| " + cell(used.file) + ":" + std::to_string(used.recording) + " | " + cell(used.workload) +
                " | " + cell(used.phase) + " | " + std::to_string(used.from_snapshot) + " to " +
                std::to_string(used.to_snapshot) + " | " + std::to_string(used.round_trips) + " | " +
                number(used.weight, 2) + " | " + number(used.regret, 0) + " |\n";
    }
    return text;
}

} // namespace

std::string to_markdown(const Profile& profile) {
    std::string text{"# Profile " + cell(profile.name) + "\n\n"};
    if (!profile.l1_name.empty()) text += "For: " + cell(profile.l1_name) + "\n\n";
    text += std::to_string(profile.sets.read.count()) + " fields are shadowed for reading, " +
            std::to_string(profile.sets.write.count()) +
            " of them for writing too. All other fields, and all encodings that no field has, exit.\n\n"
            "## Hot set\n\n" +
            hot_set(profile) + "\nPer round trip";
    text += profile.cost_unit.empty() ? ".\n" : "; costs in " + cell(profile.cost_unit) + ".\n";
    if (profile.predicted) text += "\n## Predicted, per round trip\n\n" + prediction(profile);
    if (!profile.origin.recordings.empty()) text += "\n## Made from\n\n" + recordings(profile);
    return text;
}

} // namespace shadowtune::tuner
