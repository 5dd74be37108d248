// docs/profile.schema.json says what profiles are: a profile that is written keeps it, and what it does not
// know, the reader refuses too.

#include "tests/tuner/sample_profile.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <regex>

namespace shadowtune {
namespace {

using Json = nlohmann::ordered_json;

// As much of JSON Schema as that file uses; any other keyword is an error.
class Validator {
public:
    explicit Validator(const Json& schema) : m_root{schema} {}

    [[nodiscard]] std::vector<std::string> errors(const Json& value) {
        m_errors.clear();
        check(m_root, value, Json::json_pointer{});
        return m_errors;
    }

private:
    [[nodiscard]] static bool is_type(const std::string& type, const Json& value) {
        return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
               (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean()) ||
               (type == "null" && value.is_null()) || (type == "integer" && value.is_number_integer()) ||
               (type == "number" && value.is_number());
    }

    void check(const Json& schema, const Json& value, const Json::json_pointer& path) {
        for (const auto& [keyword, rule] : schema.items())
            check_keyword(keyword, rule, schema, value, path);
    }

    void check_keyword(const std::string& keyword, const Json& rule, const Json& schema, const Json& value,
                       const Json::json_pointer& path) {
        bool good{true};
        if (keyword == "type") {
            const Json types(rule.is_array() ? rule : Json::array({rule}));
            good = std::ranges::any_of(types, [&](const Json& type) { return is_type(type, value); });
        } else if (keyword == "const") {
            good = value == rule;
        } else if (keyword == "minimum") {
            good = !value.is_number() || value >= rule;
        } else if (keyword == "minLength") {
            good = value.get<std::string>().size() >= rule.get<std::size_t>();
        } else if (keyword == "maxLength") {
            good = value.get<std::string>().size() <= rule.get<std::size_t>();
        } else if (keyword == "pattern") {
            good = std::regex_search(value.get<std::string>(), std::regex{rule.get<std::string>()});
        } else if (keyword == "required") {
            good = std::ranges::all_of(rule, [&](const Json& key) { return value.contains(key); });
        } else if (keyword == "$ref") {
            check(m_root["$defs"][rule.get<std::string>().substr(8)], value, path);
        } else if (keyword == "items") {
            for (std::size_t i{0}; value.is_array() && i < value.size(); ++i)
                check(rule, value[i], path / i);
        } else if (keyword == "properties") {
            for (const auto& [key, member] : value.items()) {
                if (rule.contains(key)) check(rule[key], member, path / key);
            }
        } else if (keyword == "additionalProperties") {
            for (const auto& [key, member] : value.items())
                good = good && schema["properties"].contains(key);
        } else {
            good =
                keyword == "$schema" || keyword == "title" || keyword == "description" || keyword == "$defs";
        }
        if (!good) m_errors.push_back(path.to_string() + ": " + keyword);
    }

    const Json& m_root;
    std::vector<std::string> m_errors;
};

class Schema : public ::testing::Test {
protected:
    [[nodiscard]] std::vector<std::string> errors(const Json& json) {
        Validator validator{m_schema};
        return validator.errors(json);
    }
    Json m_schema = Json::parse(std::ifstream{PROFILE_SCHEMA});
    Json m_profile = Json::parse(tuner::to_json(test::sample_profile()));
};

TEST_F(Schema, AWrittenProfileKeepsIt) {
    EXPECT_EQ(errors(m_profile), std::vector<std::string>{});
    tuner::Profile bare{};
    bare.name = "bare";
    EXPECT_EQ(errors(Json::parse(tuner::to_json(bare))), std::vector<std::string>{});
}

// Every key of the schema occurs in the sample, so none is there that no program writes.
TEST_F(Schema, HasNoKeyThatIsNotWritten) {
    const auto expect_keys{[](const Json& properties, const Json& object) {
        for (const auto& [key, rule] : properties.items())
            EXPECT_TRUE(object.contains(key)) << key;
    }};
    const Json& properties{m_schema["properties"]};
    expect_keys(properties, m_profile);
    for (const char* key : {"l1", "machine", "made", "predicted"})
        expect_keys(properties[key]["properties"], m_profile[key]);
    expect_keys(properties["made"]["properties"]["recordings"]["items"]["properties"],
                m_profile["made"]["recordings"][0]);
    expect_keys(properties["curve"]["items"]["properties"], m_profile["curve"][0]);
    bool rated{false};
    for (const auto& entry : m_profile["fields"])
        rated = rated || entry.size() == properties["fields"]["items"]["properties"].size();
    EXPECT_TRUE(rated);
}

TEST_F(Schema, ReaderAndSchemaRefuseTheSame) {
    const std::vector<std::pair<const char*, Json>> wrongs{
        {"/colour", 1},
        {"/made/colour", 1},
        {"/made/budget_sync", "much"},
        {"/fields/0/read", 1},
        {"/fields/0/colour", 1},
        {"/predicted/tuned/cost", -1},
        {"/curve/0/synced", "x"},
        {"/schema_version", tuner::profile_schema_version + 1},
        {"/name", ""},
        {"/made/recordings", 3},
        {"/curve/0/colour", true},
        {"/l1/type", "KVM"},
        {"/fingerprints/1/accesses", "guest_rip"}};
    for (const auto& [path, value] : wrongs) {
        Json json(m_profile);
        json[Json::json_pointer{path}] = value;
        EXPECT_FALSE(errors(json).empty()) << path;
        EXPECT_FALSE(tuner::from_json(json.dump(), "p").ok()) << path;
    }
}

} // namespace
} // namespace shadowtune
