#include "tuner/fingerprint_json.hpp"
#include "tuner/profile_rules.hpp"

namespace shadowtune::tuner {

namespace {

[[nodiscard]] Effect effect_of(const Object& object) {
    return {object.number("trapped_reads"), object.number("trapped_writes"),
            object.number("trapped_outside_round_trips"), object.number("synced"), object.number("cost")};
}

[[nodiscard]] Effect effect_from_json(const Object& parent, const char* key) {
    return effect_of({parent.need(key),
                      parent.in(key),
                      {"trapped_reads", "trapped_writes", "trapped_outside_round_trips", "synced", "cost"}});
}

[[nodiscard]] std::int64_t recording_number(const Object& object) {
    return static_cast<std::int64_t>(object.whole("recording", 0x7FFF'FFFF));
}
[[nodiscard]] std::uint32_t snapshot_number(const Object& object, const char* key) {
    return static_cast<std::uint32_t>(object.whole(key, 0xFFFF'FFFF));
}
[[nodiscard]] std::optional<std::uint64_t> budget_of_fields(const Object& object) {
    const Json* budget{object.find("budget_fields")};
    if (budget == nullptr || budget->is_null()) return {};
    return object.whole("budget_fields", 0xFFFF);
}
[[nodiscard]] std::optional<double> number_or_none(const Object& object, const char* key) {
    const Json* value{object.find(key)};
    if (value == nullptr || value->is_null()) return {};
    return object.number(key);
}

// Schema 1 knew one recording.
[[nodiscard]] Origin made_from_json_v1(const Json& made) {
    const Object object{made,
                        "made",
                        {"tool_version", "at", "costs", "budget_fields", "recording_file", "recording",
                         "from_snapshot", "to_snapshot", "round_trips"}};
    Origin origin{};
    origin.tool_version = object.text("tool_version");
    origin.made_at = object.text("at");
    origin.costs = object.text("costs");
    origin.budget_fields = budget_of_fields(object);
    RecordingUsed used{};
    used.file = object.text("recording_file");
    used.recording = recording_number(object);
    used.from_snapshot = snapshot_number(object, "from_snapshot");
    used.to_snapshot = snapshot_number(object, "to_snapshot");
    used.round_trips = object.whole("round_trips", ~std::uint64_t{0});
    if (!used.file.empty()) origin.recordings.push_back(std::move(used));
    return origin;
}

[[nodiscard]] RecordingUsed recording_from_json(const Json& json, const std::string& path) {
    const Object object{json,
                        path,
                        {"file", "recording", "workload", "phase", "weight", "from_snapshot", "to_snapshot",
                         "round_trips", "regret"}};
    return {object.text("file"),
            recording_number(object),
            object.text("workload"),
            object.text("phase"),
            number_or_none(object, "weight").value_or(1),
            snapshot_number(object, "from_snapshot"),
            snapshot_number(object, "to_snapshot"),
            object.whole("round_trips", ~std::uint64_t{0}),
            number_or_none(object, "regret")};
}

[[nodiscard]] Origin made_from_json(const Json& made) {
    const Object object{made,
                        "made",
                        {"tool_version", "at", "costs", "budget_fields", "budget_sync", "objective",
                         "regret_lower_bound", "recordings"}};
    Origin origin{};
    origin.tool_version = object.text("tool_version");
    origin.made_at = object.text("at");
    origin.costs = object.text("costs");
    origin.budget_fields = budget_of_fields(object);
    origin.budget_sync = number_or_none(object, "budget_sync");
    origin.objective = object.text("objective");
    origin.regret_lower_bound = number_or_none(object, "regret_lower_bound");
    if (const Json * list{object.find("recordings")}; list != nullptr) {
        if (!list->is_array()) malformed("'made.recordings' must be a list");
        for (std::size_t i{0}; i < list->size(); ++i) {
            origin.recordings.push_back(
                recording_from_json((*list)[i], "made.recordings[" + std::to_string(i) + "]"));
        }
    }
    return origin;
}

[[nodiscard]] vmcs::FieldIndex field_of(const std::string& symbol, const std::string& place) {
    const vmcs::FieldIndex index{vmcs::find_symbol(symbol)};
    if (index == vmcs::no_field) {
        stop(ProfileErrorKind::unknown_field,
             "'" + place + "' names no VMCS field: '" + symbol + "'; docs/catalogue.md lists them");
    }
    return index;
}

void add_fields(vmcs::FieldSet& set, const Object& object, const char* key) {
    const Json& list{object.need(key)};
    if (!list.is_array()) malformed("'" + object.in(key) + "' must be a list");
    for (const Json& symbol : list) {
        if (!symbol.is_string()) malformed("'" + object.in(key) + "' must name fields");
        set.set(field_of(symbol.get<std::string>(), object.in(key)));
    }
}

[[nodiscard]] std::vector<CurvePoint> curve_from_json(const Json& json) {
    if (!json.is_array()) malformed("'curve' must be a list");
    std::vector<CurvePoint> curve{};
    vmcs::ShadowSets sets{};
    for (std::size_t i{0}; i < json.size(); ++i) {
        const Object point{json[i],
                           "curve[" + std::to_string(i) + "]",
                           {"fields", "read_added", "write_added", "trapped_reads", "trapped_writes",
                            "trapped_outside_round_trips", "synced", "cost"}};
        add_fields(sets.read, point, "read_added");
        add_fields(sets.write, point, "write_added");
        curve.push_back({sets, effect_of(point)});
    }
    return curve;
}

void check_versions(const Json& root) {
    if (!root.is_object()) malformed("a profile is one JSON object");
    const auto need{[&root](const char* key) -> const Json& {
        const auto found{root.find(key)};
        if (found == root.end()) malformed("key '" + std::string{key} + "' is missing; is this a profile?");
        return *found;
    }};
    if (need("schema") != profile_schema_name) {
        malformed("'schema' must be \"" + std::string{profile_schema_name} + "\"; is this a profile?");
    }
    const Json& version{need("schema_version")};
    if (!version.is_number_integer()) malformed("'schema_version' must be a whole number");
    if (version < 1 || version > profile_schema_version) {
        stop(ProfileErrorKind::other_schema,
             "profile schema " + version.dump() + ", and this shadowtune reads 1 to " +
                 std::to_string(profile_schema_version) + "; tune again, or use the shadowtune that made it");
    }
    const Json& catalogue{need("catalogue_version")};
    if (!catalogue.is_string()) malformed("'catalogue_version' must be a string such as \"0x0123ABCD\"");
    if (catalogue != catalogue_version_text()) {
        stop(ProfileErrorKind::other_catalogue, "made for field catalogue " + catalogue.get<std::string>() +
                                                    ", and this shadowtune has " + catalogue_version_text() +
                                                    "; tune again with this shadowtune");
    }
}

void read_fields(const Json& fields, Profile& profile) {
    if (!fields.is_array()) malformed("'fields' must be a list");
    vmcs::FieldSet seen{};
    for (std::size_t i{0}; i < fields.size(); ++i) {
        const Object entry{fields[i],
                           "fields[" + std::to_string(i) + "]",
                           {"field", "read", "write", "reads_per_round_trip", "writes_per_round_trip",
                            "reads_low", "reads_high", "writes_low", "writes_high", "read_gain",
                            "write_gain"}};
        (void)entry.need("field");
        const std::string symbol{entry.text("field")};
        const vmcs::FieldIndex index{field_of(symbol, entry.in("field"))};
        if (seen.test(index)) malformed("field " + symbol + " is listed twice; keep one");
        seen.set(index);
        const bool read{entry.truth("read")};
        const bool write{entry.truth("write")};
        if (read) profile.sets.read.set(index);
        if (write) profile.sets.write.set(index);
        if (entry.find("reads_per_round_trip") != nullptr || entry.find("writes_per_round_trip") != nullptr) {
            profile.rates[index] = {
                entry.number("reads_per_round_trip"), entry.number("writes_per_round_trip"), {}, {}};
        }
        if (entry.find("read_gain") != nullptr) {
            profile.rates[index].gain =
                FieldGain{entry.any_number("read_gain"), entry.any_number("write_gain")};
        }
        if (entry.find("reads_low") != nullptr) {
            profile.rates[index].read_bounds = {entry.number("reads_low"), entry.number("reads_high")};
            profile.rates[index].write_bounds = {entry.number("writes_low"), entry.number("writes_high")};
        }
    }
}

void read_undecided(const Json& list, Profile& profile) {
    if (!list.is_array()) malformed("'undecided' must be a list");
    for (std::size_t i{0}; i < list.size(); ++i) {
        const Object entry{list[i], "undecided[" + std::to_string(i) + "]", {"field", "more_round_trips"}};
        (void)entry.need("field");
        const Json& more{entry.need("more_round_trips")};
        std::optional<std::uint64_t>& kept{
            profile.undecided[field_of(entry.text("field"), entry.in("field"))]};
        if (!more.is_null()) kept = entry.whole("more_round_trips", ~std::uint64_t{0});
    }
}

void read_fingerprints(const Json& list, Profile& profile) {
    if (!list.is_array()) malformed("'fingerprints' must be a list");
    if (!is_type_name(profile.l1_type)) {
        malformed("'l1.type' must name the fingerprints' type: 1 to " + std::to_string(max_type_name) +
                  " small letters, digits and hyphens");
    }
    for (std::size_t i{0}; i < list.size(); ++i) {
        profile.fingerprints.push_back(
            fingerprint_from_json(list[i], "fingerprints[" + std::to_string(i) + "]"));
    }
}

[[nodiscard]] Profile read_profile(const Json& json) {
    const Object root{json,
                      "",
                      {"schema", "schema_version", "catalogue_version", "name", "l1", "workload", "machine",
                       "made", "fields", "predicted", "undecided", "curve", "fingerprints"}};
    Profile profile{};
    (void)root.need("name");
    profile.name = root.text("name");
    if (!is_profile_name(profile.name)) {
        malformed("'name' must have 1 to " + std::to_string(max_profile_name) + " bytes of text");
    }
    profile.workload = root.text("workload");
    if (const Json * l1{root.find("l1")}; l1 != nullptr) {
        const Object object{*l1, "l1", {"kind", "name", "mode", "type"}};
        profile.l1_kind = object.text("kind");
        profile.l1_name = object.text("name");
        profile.l1_mode = object.text("mode");
        profile.l1_type = object.text("type");
    }
    if (const Json * list{root.find("fingerprints")}; list != nullptr) read_fingerprints(*list, profile);
    if (const Json * machine{root.find("machine")}; machine != nullptr) {
        const Object object{*machine, "machine", {"cpu_brand", "cpu_model"}};
        profile.cpu_brand = object.text("cpu_brand");
        profile.cpu_model = object.text("cpu_model");
    }
    if (const Json * made{root.find("made")}; made != nullptr) {
        profile.origin = root.need("schema_version") == 1 ? made_from_json_v1(*made) : made_from_json(*made);
    }
    read_fields(root.need("fields"), profile);
    if (const Json * undecided{root.find("undecided")}; undecided != nullptr)
        read_undecided(*undecided, profile);
    if (const Json * predicted{root.find("predicted")}; predicted != nullptr) {
        const Object object{*predicted, "predicted", {"unit", "none", "full", "kvm_list", "tuned"}};
        profile.cost_unit = object.text("unit");
        profile.predicted =
            Comparison{effect_from_json(object, "none"), effect_from_json(object, "full"),
                       effect_from_json(object, "kvm_list"), effect_from_json(object, "tuned")};
    }
    if (const Json * curve{root.find("curve")}; curve != nullptr) profile.curve = curve_from_json(*curve);
    return profile;
}

// "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error ..." -> "line 3, column 5"
[[nodiscard]] std::string position_of(const std::string& message) {
    const std::size_t begin{message.find("line ")};
    if (begin == std::string::npos) return "at its end";
    return "at " + message.substr(begin, message.find(':', begin) - begin);
}

// "[json.exception.out_of_range.406] number overflow parsing '1e999'" -> "number overflow parsing '1e999'"
[[nodiscard]] std::string words_of(const std::string& message) {
    constexpr std::size_t longest{80}; // a number may have any number of digits
    const std::size_t begin{message.find("] ")};
    return begin == std::string::npos ? message.substr(0, longest) : message.substr(begin + 2, longest);
}

} // namespace

Result<Profile, ProfileFileError> from_json(std::string_view text, const std::string& where) {
    try {
        const Json json(Json::parse(text));
        // Versions first: another version may have other keys, and its number says more than they do.
        check_versions(json);
        Profile profile{read_profile(json)};
        if (const auto checked{check_rules(profile.sets, where)}; !checked) return Failure{checked.error()};
        return profile;
    } catch (const Stop& reason) {
        return Failure{ProfileFileError{reason.kind, where + ": " + reason.message}};
    } catch (const Json::parse_error& error) {
        return Failure{
            ProfileFileError{ProfileErrorKind::malformed,
                             where + ": not JSON " + position_of(error.what()) +
                                 "; correct it there, or make the profile again with 'shadowtune tune'"}};
    } catch (const Json::exception& error) {
        return Failure{
            ProfileFileError{ProfileErrorKind::malformed,
                             where + ": " + words_of(error.what()) +
                                 "; correct it, or make the profile again with 'shadowtune tune'"}};
    }
}

} // namespace shadowtune::tuner
