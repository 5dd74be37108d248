#include "tuner/profile_file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <nlohmann/json.hpp>

namespace shadowtune::tuner {

namespace {

// Keys keep the order in which a person reads them.
using Json = nlohmann::ordered_json;

constexpr std::string_view schema_name{"shadowtune-profile"};

[[nodiscard]] std::string hex(std::uint32_t value) {
    std::array<char, 11> text{};
    std::snprintf(text.data(), text.size(), "0x%08X", value);
    return text.data();
}

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

// Thrown and caught in this file alone: reading stops at the first thing that is wrong.
struct Stop {
    ProfileErrorKind kind;
    std::string message;
};

[[noreturn]] void stop(ProfileErrorKind kind, const std::string& message) {
    throw Stop{kind, message};
}
[[noreturn]] void malformed(const std::string& message) {
    stop(ProfileErrorKind::malformed, message);
}

// A JSON object that knows its path, so that each complaint names the place. Keys nobody knows are refused:
// in a file that people edit, "wirte" must not be a silent no.
class Object {
public:
    Object(const Json& json, std::string path, std::initializer_list<std::string_view> known)
        : m_json{json}, m_path{std::move(path)} {
        if (!json.is_object()) malformed(place() + " must be an object");
        for (const auto& item : json.items()) {
            if (std::ranges::find(known, item.key()) == known.end()) {
                malformed("unknown key '" + item.key() + "' in " + place() + "; correct or remove it");
            }
        }
    }

    [[nodiscard]] const Json* find(const char* key) const {
        const auto found{m_json.find(key)};
        return found == m_json.end() ? nullptr : &*found;
    }

    [[nodiscard]] const Json& need(const char* key) const {
        const Json* value{find(key)};
        if (value == nullptr) malformed("key '" + in(key) + "' is missing; add it");
        return *value;
    }

    [[nodiscard]] std::string text(const char* key) const {
        const Json* value{find(key)};
        if (value == nullptr) return {};
        if (!value->is_string()) malformed("'" + in(key) + "' must be a string");
        return value->get<std::string>();
    }

    [[nodiscard]] bool truth(const char* key) const {
        const Json& value{need(key)};
        if (!value.is_boolean()) malformed("'" + in(key) + "' must be true or false");
        return value.get<bool>();
    }

    [[nodiscard]] std::uint64_t whole(const char* key, std::uint64_t largest) const {
        const Json* value{find(key)};
        if (value == nullptr) return 0;
        if (!value->is_number_unsigned() || value->get<std::uint64_t>() > largest) {
            malformed("'" + in(key) + "' must be a whole number from 0 to " + std::to_string(largest));
        }
        return value->get<std::uint64_t>();
    }

    [[nodiscard]] double number(const char* key) const {
        const Json& value{need(key)};
        if (!value.is_number() || value.get<double>() < 0)
            malformed("'" + in(key) + "' must be a number, 0 or more");
        return value.get<double>();
    }

    [[nodiscard]] std::string in(const std::string& key) const {
        return m_path.empty() ? key : m_path + "." + key;
    }

private:
    [[nodiscard]] std::string place() const { return m_path.empty() ? "the profile" : "'" + m_path + "'"; }

    const Json& m_json;
    std::string m_path;
};

[[nodiscard]] Effect effect_from_json(const Object& parent, const char* key) {
    const Object object{parent.need(key),
                        parent.in(key),
                        {"trapped_reads", "trapped_writes", "trapped_outside_round_trips", "synced", "cost"}};
    return {object.number("trapped_reads"), object.number("trapped_writes"),
            object.number("trapped_outside_round_trips"), object.number("synced"), object.number("cost")};
}

void check_versions(const Json& root) {
    if (!root.is_object()) malformed("a profile is one JSON object");
    const auto need{[&root](const char* key) -> const Json& {
        const auto found{root.find(key)};
        if (found == root.end()) malformed("key '" + std::string{key} + "' is missing; is this a profile?");
        return *found;
    }};
    if (need("schema") != schema_name) {
        malformed("'schema' must be \"" + std::string{schema_name} + "\"; is this a profile?");
    }
    const Json& version{need("schema_version")};
    if (!version.is_number_integer()) malformed("'schema_version' must be a whole number");
    if (version != profile_schema_version) {
        stop(ProfileErrorKind::other_schema,
             "profile schema " + version.dump() + ", and this shadowtune reads " +
                 std::to_string(profile_schema_version) + "; tune again, or use the shadowtune that made it");
    }
    const Json& catalogue{need("catalogue_version")};
    if (!catalogue.is_string()) malformed("'catalogue_version' must be a string such as \"0x0123ABCD\"");
    if (catalogue != hex(vmcs::catalogue_version)) {
        stop(ProfileErrorKind::other_catalogue,
             "made for field catalogue " + catalogue.get<std::string>() + ", and this shadowtune has " +
                 hex(vmcs::catalogue_version) + "; tune again with this shadowtune");
    }
}

void read_fields(const Json& fields, Profile& profile) {
    if (!fields.is_array()) malformed("'fields' must be a list");
    vmcs::FieldSet seen{};
    for (std::size_t i{0}; i < fields.size(); ++i) {
        const Object entry{fields[i],
                           "fields[" + std::to_string(i) + "]",
                           {"field", "read", "write", "reads_per_round_trip", "writes_per_round_trip"}};
        (void)entry.need("field");
        const std::string symbol{entry.text("field")};
        const vmcs::FieldIndex index{vmcs::find_symbol(symbol)};
        if (index == vmcs::no_field) {
            stop(ProfileErrorKind::unknown_field, "'" + entry.in("field") + "' names no VMCS field: '" +
                                                      symbol + "'; docs/catalogue.md lists them");
        }
        if (seen.test(index)) malformed("field " + symbol + " is listed twice; keep one");
        seen.set(index);
        const bool read{entry.truth("read")};
        const bool write{entry.truth("write")};
        if (read) profile.sets.read.set(index);
        if (write) profile.sets.write.set(index);
        if (entry.find("reads_per_round_trip") != nullptr || entry.find("writes_per_round_trip") != nullptr) {
            profile.rates[index] = {entry.number("reads_per_round_trip"),
                                    entry.number("writes_per_round_trip")};
        }
    }
}

// The rules that hold on every machine. What this machine lacks is L0's to say, and apply's.
void check_rules(const vmcs::ShadowSets& sets) {
    vmcs::ProfileTarget anything{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        anything.offered.set(i);
    anything.vmwrite_any_field = true;
    const auto valid{vmcs::validate(sets, anything)};
    if (valid) return;
    const vmcs::FieldInfo& field{vmcs::catalogue[valid.error().field]};
    std::string why{vmcs::describe(valid.error().rule)};
    if (const auto reason{vmcs::reason(field.shadowing)}; !reason.empty())
        why += " (" + std::string{reason} + ")";
    const bool needs_read{valid.error().rule == vmcs::ProfileRule::write_without_read};
    const bool never{valid.error().rule == vmcs::ProfileRule::never_shadowed};
    stop(ProfileErrorKind::forbidden_field, "field " + std::string{field.symbol} + ": " + why +
                                                (needs_read ? "; set \"read\" to true"
                                                 : never    ? "; remove it"
                                                            : "; set \"write\" to false"));
}

[[nodiscard]] Profile read_profile(const Json& json) {
    const Object root{json,
                      "",
                      {"schema", "schema_version", "catalogue_version", "name", "l1", "workload", "machine",
                       "made", "fields", "predicted"}};
    Profile profile{};
    (void)root.need("name");
    profile.name = root.text("name");
    if (!is_profile_name(profile.name)) {
        malformed("'name' must have 1 to " + std::to_string(max_profile_name) + " bytes of text");
    }
    profile.workload = root.text("workload");
    if (const Json * l1{root.find("l1")}; l1 != nullptr) {
        const Object object{*l1, "l1", {"kind", "name", "mode"}};
        profile.l1_kind = object.text("kind");
        profile.l1_name = object.text("name");
        profile.l1_mode = object.text("mode");
    }
    if (const Json * machine{root.find("machine")}; machine != nullptr) {
        const Object object{*machine, "machine", {"cpu_brand", "cpu_model"}};
        profile.cpu_brand = object.text("cpu_brand");
        profile.cpu_model = object.text("cpu_model");
    }
    if (const Json * made{root.find("made")}; made != nullptr) {
        const Object object{*made,
                            "made",
                            {"tool_version", "at", "costs", "budget_fields", "recording_file", "recording",
                             "from_snapshot", "to_snapshot", "round_trips"}};
        Origin& origin{profile.origin};
        origin.tool_version = object.text("tool_version");
        origin.made_at = object.text("at");
        origin.costs = object.text("costs");
        const Json* budget{object.find("budget_fields")};
        if (budget != nullptr && !budget->is_null())
            origin.budget_fields = object.whole("budget_fields", 0xFFFF);
        origin.recording_file = object.text("recording_file");
        origin.recording = static_cast<std::int64_t>(object.whole("recording", 0x7FFF'FFFF));
        origin.from_snapshot = static_cast<std::uint32_t>(object.whole("from_snapshot", 0xFFFF'FFFF));
        origin.to_snapshot = static_cast<std::uint32_t>(object.whole("to_snapshot", 0xFFFF'FFFF));
        origin.round_trips = object.whole("round_trips", ~std::uint64_t{0});
    }
    read_fields(root.need("fields"), profile);
    check_rules(profile.sets);
    if (const Json * predicted{root.find("predicted")}; predicted != nullptr) {
        const Object object{*predicted, "predicted", {"unit", "none", "full", "kvm_list", "tuned"}};
        profile.cost_unit = object.text("unit");
        profile.predicted =
            Comparison{effect_from_json(object, "none"), effect_from_json(object, "full"),
                       effect_from_json(object, "kvm_list"), effect_from_json(object, "tuned")};
    }
    return profile;
}

// "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error ..." -> "line 3, column 5"
[[nodiscard]] std::string position_of(const std::string& message) {
    const std::size_t begin{message.find("line ")};
    if (begin == std::string::npos) return "at its end";
    return "at " + message.substr(begin, message.find(':', begin) - begin);
}

} // namespace

std::string to_json(const Profile& profile) {
    Json json{{"schema", schema_name},
              {"schema_version", profile_schema_version},
              {"catalogue_version", hex(vmcs::catalogue_version)},
              {"name", profile.name},
              {"l1", {{"kind", profile.l1_kind}, {"name", profile.l1_name}, {"mode", profile.l1_mode}}},
              {"workload", profile.workload},
              {"machine", {{"cpu_brand", profile.cpu_brand}, {"cpu_model", profile.cpu_model}}}};
    const Origin& origin{profile.origin};
    json["made"] = {{"tool_version", origin.tool_version},
                    {"at", origin.made_at},
                    {"costs", origin.costs},
                    {"budget_fields", origin.budget_fields ? Json(*origin.budget_fields) : Json(nullptr)},
                    {"recording_file", origin.recording_file},
                    {"recording", static_cast<std::uint64_t>(origin.recording)},
                    {"from_snapshot", origin.from_snapshot},
                    {"to_snapshot", origin.to_snapshot},
                    {"round_trips", origin.round_trips}};
    Json fields(Json::array()); // braces would make a list in a list
    profile.sets.hot_set().for_each([&](vmcs::FieldIndex index) {
        Json entry{{"field", vmcs::catalogue[index].symbol},
                   {"read", profile.sets.read.test(index)},
                   {"write", profile.sets.write.test(index)}};
        if (const auto rate{profile.rates.find(index)}; rate != profile.rates.end()) {
            entry["reads_per_round_trip"] = rounded(rate->second.reads);
            entry["writes_per_round_trip"] = rounded(rate->second.writes);
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
    // Names from outside (a boot loader's, a command line's) may be no UTF-8; a file must still come out.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Profile, ProfileFileError> from_json(std::string_view text, const std::string& where) {
    try {
        const Json json(Json::parse(text));
        // Versions first: another version may have other keys, and its number says more than they do.
        check_versions(json);
        return read_profile(json);
    } catch (const Stop& reason) {
        return Failure{ProfileFileError{reason.kind, where + ": " + reason.message}};
    } catch (const Json::parse_error& error) {
        return Failure{
            ProfileFileError{ProfileErrorKind::malformed,
                             where + ": not JSON " + position_of(error.what()) +
                                 "; correct it there, or make the profile again with 'shadowtune tune'"}};
    }
}

} // namespace shadowtune::tuner
