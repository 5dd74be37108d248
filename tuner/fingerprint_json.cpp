#include "tuner/fingerprint_json.hpp"

#include <sstream>

namespace shadowtune::tuner {

namespace {

constexpr std::string_view read_mark{"r."};
constexpr std::string_view write_mark{"w."};

[[nodiscard]] std::string joined(std::string line, std::string_view word) {
    if (!line.empty()) line += ' ';
    return line.append(word);
}

[[nodiscard]] std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream{line};
    std::vector<std::string> words{};
    for (std::string word; stream >> word;)
        words.push_back(std::move(word));
    return words;
}

[[nodiscard]] vmcs::FieldIndex field_of(std::string_view symbol, const std::string& place) {
    const vmcs::FieldIndex index{vmcs::find_symbol(symbol)};
    if (index == vmcs::no_field) {
        stop(ProfileErrorKind::unknown_field, "'" + place + "' names no VMCS field: '" + std::string{symbol} +
                                                  "'; docs/catalogue.md lists them");
    }
    return index;
}

[[nodiscard]] vmcs::FieldSet all_but(const std::string& line, const std::string& place) {
    vmcs::FieldSet fields{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        fields.set(i);
    for (const std::string& symbol : words_of(line))
        fields.clear(field_of(symbol, place));
    return fields;
}

[[nodiscard]] vmcs::LaunchControls controls_from_json(const Json& json, const std::string& path) {
    const Object object{json, path, {"pin", "primary", "secondary", "exit", "entry", "tertiary"}};
    const auto word{
        [&](const char* key) { return static_cast<std::uint32_t>(object.whole(key, 0xFFFF'FFFF)); }};
    return {word("pin"),  word("primary"), word("secondary"),
            word("exit"), word("entry"),   object.whole("tertiary", ~std::uint64_t{0})};
}

} // namespace

Json to_json(const vmcs::Fingerprint& fingerprint) {
    std::string not_offered{};
    std::string accesses{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        if (!fingerprint.offered.test(i)) not_offered = joined(not_offered, vmcs::catalogue[i].symbol);
    }
    for (std::size_t i{0}; i < fingerprint.size(); ++i) {
        const auto [field, write]{fingerprint[i]};
        accesses = joined(accesses, write ? write_mark : read_mark).append(vmcs::catalogue[field].symbol);
    }
    const vmcs::LaunchControls& controls{fingerprint.controls};
    return {{"controls",
             {{"pin", controls.pin},
              {"primary", controls.primary},
              {"secondary", controls.secondary},
              {"exit", controls.exit},
              {"entry", controls.entry},
              {"tertiary", controls.tertiary}}},
            {"not_offered", not_offered},
            {"accesses", accesses}};
}

vmcs::Fingerprint fingerprint_from_json(const Json& json, const std::string& path) {
    const Object object{json, path, {"controls", "not_offered", "accesses"}};
    vmcs::Fingerprint fingerprint{};
    fingerprint.controls = controls_from_json(object.need("controls"), object.in("controls"));
    fingerprint.offered = all_but(object.text("not_offered"), object.in("not_offered"));
    (void)object.need("accesses");
    const std::string place{object.in("accesses")};
    for (const std::string& word : words_of(object.text("accesses"))) {
        const bool write{word.starts_with(write_mark)};
        if (!write && !word.starts_with(read_mark))
            malformed("'" + place + "': '" + word + "' must begin with " + std::string{read_mark} + " or " +
                      std::string{write_mark});
        const vmcs::FieldIndex field{field_of(std::string_view{word}.substr(write_mark.size()), place)};
        if (!fingerprint.offered.test(field)) malformed("'" + place + "': '" + word + "' is not offered");
        if (!fingerprint.add({field, write})) malformed("'" + place + "': '" + word + "' comes twice");
    }
    return fingerprint;
}

} // namespace shadowtune::tuner
