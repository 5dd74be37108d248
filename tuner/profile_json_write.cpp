#include "tuner/fingerprint_json.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace shadowtune::tuner {

namespace {

// Figures for people: five decimals are finer than any recording is long.
[[nodiscard]] double rounded(double value) {
    return std::round(value * 1e5) / 1e5;
}

[[nodiscard]] Json effect_to_json(const Effect& effect) {
    return {{"trapped_reads", rounded(effect.trapped_reads)},
            {"trapped_writes", rounded(effect.trapped_writes)},
            {"trapped_outside_round_trips", rounded(effect.trapped_outside)},
            {"synced", rounded(effect.synced)},
            {"cost", rounded(effect.cost)}};
}

[[nodiscard]] Json fields_to_json(const vmcs::FieldSet& fields) {
    Json list(Json::array()); // braces would make a list in a list
    fields.for_each([&](vmcs::FieldIndex index) { list.push_back(vmcs::catalogue[index].symbol); });
    return list;
}

[[nodiscard]] Json curve_to_json(const std::vector<CurvePoint>& curve) {
    Json list(Json::array());
    vmcs::ShadowSets before{};
    for (const CurvePoint& point : curve) {
        Json entry{{"fields", point.sets.hot_set().count()},
                   {"read_added", fields_to_json(point.sets.read - before.read)},
                   {"write_added", fields_to_json(point.sets.write - before.write)}};
        entry.update(effect_to_json(point.effect));
        list.push_back(std::move(entry));
        before = point.sets;
    }
    return list;
}

[[nodiscard]] Json rounded_or_null(const std::optional<double>& value) {
    return value ? Json(rounded(*value)) : Json(nullptr);
}

[[nodiscard]] Json made_to_json(const Origin& origin) {
    Json recordings(Json::array());
    for (const RecordingUsed& used : origin.recordings) {
        Json entry{{"file", used.file},
                   {"recording", static_cast<std::uint64_t>(used.recording)},
                   {"workload", used.workload},
                   {"phase", used.phase},
                   {"weight", used.weight},
                   {"from_snapshot", used.from_snapshot},
                   {"to_snapshot", used.to_snapshot},
                   {"round_trips", used.round_trips}};
        if (used.regret) entry["regret"] = rounded(*used.regret);
        recordings.push_back(std::move(entry));
    }
    return {{"tool_version", origin.tool_version},
            {"at", origin.made_at},
            {"costs", origin.costs},
            {"budget_fields", origin.budget_fields ? Json(*origin.budget_fields) : Json(nullptr)},
            {"budget_sync", rounded_or_null(origin.budget_sync)},
            {"objective", origin.objective},
            {"regret_lower_bound", rounded_or_null(origin.regret_lower_bound)},
            {"recordings", std::move(recordings)}};
}

} // namespace

std::string catalogue_version_text() {
    std::array<char, 11> text{};
    std::snprintf(text.data(), text.size(), "0x%08X", vmcs::catalogue_version);
    return text.data();
}

std::string to_json(const Profile& profile) {
    Json json{{"schema", profile_schema_name},
              {"schema_version", profile_schema_version},
              {"catalogue_version", catalogue_version_text()},
              {"name", profile.name},
              {"l1",
               {{"kind", profile.l1_kind},
                {"name", profile.l1_name},
                {"mode", profile.l1_mode},
                {"type", profile.l1_type}}},
              {"workload", profile.workload},
              {"machine", {{"cpu_brand", profile.cpu_brand}, {"cpu_model", profile.cpu_model}}}};
    json["made"] = made_to_json(profile.origin);
    Json fields(Json::array()); // braces would make a list in a list
    profile.listed_fields().for_each([&](vmcs::FieldIndex index) {
        Json entry{{"field", vmcs::catalogue[index].symbol},
                   {"read", profile.sets.read.test(index)},
                   {"write", profile.sets.write.test(index)}};
        if (const auto rate{profile.rates.find(index)}; rate != profile.rates.end()) {
            entry["reads_per_round_trip"] = rounded(rate->second.reads);
            entry["writes_per_round_trip"] = rounded(rate->second.writes);
            if (rate->second.read_bounds && rate->second.write_bounds) {
                entry["reads_low"] = rounded(rate->second.read_bounds->low);
                entry["reads_high"] = rounded(rate->second.read_bounds->high);
                entry["writes_low"] = rounded(rate->second.write_bounds->low);
                entry["writes_high"] = rounded(rate->second.write_bounds->high);
            }
            if (rate->second.gain) {
                entry["read_gain"] = rounded(rate->second.gain->read);
                entry["write_gain"] = rounded(rate->second.gain->write);
            }
        }
        fields.push_back(std::move(entry));
    });
    json["fields"] = std::move(fields);
    if (profile.predicted) {
        json["predicted"] = {{"unit", profile.cost_unit},
                             {"none", effect_to_json(profile.predicted->none)},
                             {"full", effect_to_json(profile.predicted->full)},
                             {"kvm_list", effect_to_json(profile.predicted->kvm_list)},
                             {"tuned", effect_to_json(profile.predicted->tuned)}};
    }
    for (const auto& [field, more] : profile.undecided) {
        json["undecided"].push_back({{"field", vmcs::catalogue[field].symbol},
                                     {"more_round_trips", more ? Json(*more) : Json(nullptr)}});
    }
    for (const vmcs::Fingerprint& fingerprint : profile.fingerprints)
        json["fingerprints"].push_back(to_json(fingerprint));
    if (!profile.curve.empty()) json["curve"] = curve_to_json(profile.curve);
    // Names from outside (a boot loader's, a command line's) may be no UTF-8; a file must still come out.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace shadowtune::tuner
