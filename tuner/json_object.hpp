#pragma once

// Reading JSON that people edit: each complaint names its place. For the files that read profiles.

#include "tuner/profile_file.hpp"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace shadowtune::tuner {

// Keys keep the order in which a person reads them.
using Json = nlohmann::ordered_json;

inline constexpr std::string_view profile_schema_name{"shadowtune-profile"};

// The catalogue's version as profiles spell it.
[[nodiscard]] std::string catalogue_version_text();

// Thrown and caught while a profile is read: reading stops at the first thing that is wrong.
struct Stop {
    ProfileErrorKind kind;
    std::string message;
};

[[noreturn]] inline void stop(ProfileErrorKind kind, const std::string& message) {
    throw Stop{kind, message};
}
[[noreturn]] inline void malformed(const std::string& message) {
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
        const double value{any_number(key)};
        if (value < 0) malformed("'" + in(key) + "' must be a number, 0 or more");
        return value;
    }
    [[nodiscard]] double any_number(const char* key) const {
        const Json& value{need(key)};
        if (!value.is_number()) malformed("'" + in(key) + "' must be a number");
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

} // namespace shadowtune::tuner
