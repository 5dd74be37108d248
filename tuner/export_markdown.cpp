#include "tuner/exports.hpp"

#include <algorithm>
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

// Why a field is left out though it may be shadowed and would gain.
[[nodiscard]] std::string why_not_chosen(const Profile& profile, vmcs::FieldIndex index) {
    if (profile.undecided.contains(index)) return "the sample does not decide";
    if (profile.origin.objective.empty()) return "not chosen"; // by hand
    if (profile.origin.budget_fields || profile.origin.budget_sync) return "no room in the budget";
    if (profile.origin.objective == "minimax") return "another recording would lose by it";
    if (profile.sets.read.empty()) return "all together gain less than having a shadow costs";
    return "not chosen";
}

[[nodiscard]] std::string why_hot(const Profile& profile, vmcs::FieldIndex index, const MeasuredRate& rate) {
    const vmcs::FieldInfo& field{vmcs::catalogue[index]};
    const FieldGain& gain{*rate.gain};
    if (profile.sets.write.test(index))
        return gain.read <= 0 ? "read-shadowed only because writes have to be" : "both gain";
    if (rate.writes == 0) return "only read";
    if (gain.write <= 0) return "writes are too rare to pay for a copy back";
    std::string text{"writes stay trapped: "};
    if (!vmcs::may_shadow_write(field.shadowing)) return text.append(vmcs::reason(field.shadowing));
    if (field.type == vmcs::Type::read_only_data) return text + "read-only data";
    return text + why_not_chosen(profile, index);
}

[[nodiscard]] std::string why_trapped(const Profile& profile, vmcs::FieldIndex index,
                                      const MeasuredRate& rate) {
    const vmcs::FieldInfo& field{vmcs::catalogue[index]};
    const FieldGain& gain{*rate.gain};
    if (!vmcs::may_shadow_read(field.shadowing)) return std::string{vmcs::reason(field.shadowing)};
    const double both{vmcs::may_shadow_write(field.shadowing) ? gain.read + gain.write : 0};
    return std::max(gain.read, both) > 0 ? why_not_chosen(profile, index) : "too rare to pay for copies";
}

// The table's columns from the rates on.
[[nodiscard]] std::string measured(const MeasuredRate* rate, const std::string& why) {
    if (rate == nullptr) return "| | | | not measured |\n";
    std::string text{number(rate->reads, 4) + " | " + number(rate->writes, 4) + " | "};
    if (!rate->gain) return text + "| | |\n";
    return text + number(rate->gain->read, 0) + " | " + number(rate->gain->write, 0) + " | " + why + " |\n";
}

[[nodiscard]] std::string hot_set(const Profile& profile) {
    std::string text{"| field | shadowed | reads | writes | R gains | W gains besides | why |\n"
                     "|---|---|---|---|---|---|---|\n"};
    profile.sets.hot_set().for_each([&](vmcs::FieldIndex index) {
        const auto found{profile.rates.find(index)};
        const MeasuredRate* const rate{found == profile.rates.end() ? nullptr : &found->second};
        text += "| " + cell(vmcs::catalogue[index].name) + " | " +
                (profile.sets.write.test(index) ? "R, W" : "R") + " | " +
                measured(rate, rate != nullptr && rate->gain ? why_hot(profile, index, *rate) : "");
    });
    return text;
}

// Empty where nothing of it was measured.
[[nodiscard]] std::string left_trapped(const Profile& profile) {
    std::string text{};
    (profile.listed_fields() - profile.sets.hot_set()).for_each([&](vmcs::FieldIndex index) {
        const MeasuredRate& rate{profile.rates.at(index)};
        text += "| " + cell(vmcs::catalogue[index].name) + " | " +
                measured(&rate, rate.gain ? why_trapped(profile, index, rate) : "");
    });
    return text.empty() ? text
                        : "| field | reads | writes | R would gain | W besides | why |\n"
                          "|---|---|---|---|---|---|\n" +
                              text;
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
                number(used.weight, 2) + " | " + (used.regret ? number(*used.regret, 0) : "") + " |\n";
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
    text += profile.cost_unit.empty() ? ".\n" : "; gains in " + cell(profile.cost_unit) + ".\n";
    if (const std::string others{left_trapped(profile)}; !others.empty())
        text += "\n## Accessed, and left trapped\n\n" + others;
    if (profile.predicted) text += "\n## Predicted, per round trip\n\n" + prediction(profile);
    if (!profile.origin.recordings.empty()) text += "\n## Made from\n\n" + recordings(profile);
    return text;
}

} // namespace shadowtune::tuner
