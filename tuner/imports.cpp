#include "tuner/imports.hpp"

#include "tuner/kvm_names.hpp"
#include "tuner/profile_rules.hpp"
#include "vmcs/bitmap_check.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

namespace shadowtune::tuner {

namespace {

[[nodiscard]] Failure<ProfileFileError> malformed(const std::string& where, const std::string& words) {
    return Failure{ProfileFileError{ProfileErrorKind::malformed, where + ": " + words}};
}

// A word of the file in an error line: short, and without what would break the line.
[[nodiscard]] std::string quoted(std::string_view word) {
    std::string text{"'"};
    for (const char c : word.substr(0, 40))
        text += c >= 0x20 && c < 0x7F ? c : '?';
    return text + "'";
}

[[nodiscard]] std::string hex(unsigned value) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%04X", value);
    return text.data();
}

// "0x681E" or "26654".
[[nodiscard]] std::optional<unsigned> parse_encoding(std::string_view word) {
    const int base{word.starts_with("0x") ? 16 : 10};
    if (base == 16) word.remove_prefix(2);
    unsigned encoding{0};
    const auto [rest, error]{std::from_chars(word.data(), word.data() + word.size(), encoding, base)};
    if (error != std::errc{} || rest != word.data() + word.size()) return std::nullopt;
    return encoding;
}

// The text without comments, which end nothing in these forms but lines.
[[nodiscard]] std::string without_comments(std::string_view text) {
    std::string code{};
    while (!text.empty()) {
        const std::size_t begin{std::min(text.find("/*"), text.size())};
        code += text.substr(0, begin);
        const std::size_t end{text.find("*/", begin)};
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 2);
    }
    return code;
}

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts{};
    while (true) {
        const std::size_t end{text.find(separator)};
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

[[nodiscard]] std::string_view trimmed(std::string_view text) {
    const std::size_t begin{text.find_first_not_of(" \t\r")};
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// Full fields and high halves by themselves, until both are known to agree.
struct Halves {
    vmcs::FieldSet full;
    vmcs::FieldSet high;
};

[[nodiscard]] Result<vmcs::FieldSet, ProfileFileError> whole_fields(const Halves& halves,
                                                                    const std::string& where) {
    vmcs::FieldIndex lone{vmcs::no_field};
    (halves.full | halves.high).for_each([&](vmcs::FieldIndex index) {
        const bool needs_high{vmcs::catalogue[index].has_high_half()};
        if (!halves.full.test(index) || halves.high.test(index) != needs_high) lone = index;
    });
    if (lone == vmcs::no_field) return halves.full;
    return Failure{
        rule_broken({vmcs::ProfileRule::high_half_differs, lone, vmcs::catalogue[lone].encoding}, where)};
}

[[nodiscard]] Result<vmcs::ShadowSets, ProfileFileError> from_kvm(std::string_view text,
                                                                  const std::string& where) {
    const std::string code{without_comments(text)};
    Halves read{};
    Halves write{};
    for (const std::string_view raw : split(code, '\n')) {
        const std::string_view line{trimmed(raw)};
        const bool writes{line.starts_with("SHADOW_FIELD_RW(")};
        if (!writes && !line.starts_with("SHADOW_FIELD_RO(")) continue;
        const std::size_t begin{line.find('(') + 1};
        const std::string_view constant{trimmed(line.substr(begin, line.find_first_of(",)", begin) - begin))};
        const KvmField found{find_kvm_constant(constant)};
        if (found.field == vmcs::no_field) {
            return malformed(where, quoted(constant) + " is no field of KVM's vmcs12; correct it");
        }
        (found.high_half ? read.high : read.full).set(found.field);
        if (writes) (found.high_half ? write.high : write.full).set(found.field);
    }
    const auto reads{whole_fields(read, where)};
    if (!reads) return Failure{reads.error()};
    const auto writes{whole_fields(write, where)};
    if (!writes) return Failure{writes.error()};
    return vmcs::ShadowSets{reads.value(), writes.value()};
}

[[nodiscard]] Result<vmcs::FieldSet, ProfileFileError>
xen_array(const std::string& code, std::string_view name, const std::string& where) {
    const std::size_t found{code.find(name)};
    const std::size_t begin{found == std::string::npos ? found : code.find('{', found)};
    const std::size_t end{begin == std::string::npos ? begin : code.find('}', begin)};
    if (end == std::string::npos) return malformed(where, "has no whole array " + std::string{name});
    Halves halves{};
    for (const std::string_view raw : split(std::string_view{code}.substr(begin + 1, end - begin - 1), ',')) {
        std::string_view word{raw};
        word.remove_prefix(std::min(word.find_first_not_of(" \t\r\n"), word.size()));
        word = word.substr(0, word.find_last_not_of(" \t\r\n") + 1);
        if (word.empty()) continue;
        const auto encoding{parse_encoding(word)};
        const vmcs::FieldIndex field{encoding ? vmcs::find(*encoding) : vmcs::no_field};
        if (field == vmcs::no_field) {
            return malformed(where, quoted(word) + " is the encoding of no VMCS field");
        }
        (vmcs::is_high_half(static_cast<vmcs::Encoding>(*encoding)) ? halves.high : halves.full).set(field);
    }
    return whole_fields(halves, where);
}

[[nodiscard]] Result<vmcs::ShadowSets, ProfileFileError> from_xen(std::string_view text,
                                                                  const std::string& where) {
    const std::string code{without_comments(text)};
    const auto reads{xen_array(code, "shadowtune_vmread_passes", where)};
    if (!reads) return Failure{reads.error()};
    const auto writes{xen_array(code, "shadowtune_vmwrite_passes", where)};
    if (!writes) return Failure{writes.error()};
    return vmcs::ShadowSets{reads.value(), writes.value()};
}

constexpr std::string_view csv_header{"field,encoding,read,write"};

struct CsvRow {
    vmcs::FieldIndex field;
    bool read;
    bool write;
};

[[nodiscard]] Result<CsvRow, ProfileFileError> csv_row(std::string_view line, const std::string& place) {
    const auto cells{split(line, ',')};
    const vmcs::FieldIndex field{vmcs::find_symbol(cells[0])};
    if (field == vmcs::no_field) return malformed(place, quoted(cells[0]) + " names no VMCS field");
    const auto is_flag{[](std::string_view cell) { return cell == "0" || cell == "1"; }};
    if (cells.size() < 4 || !is_flag(cells[2]) || !is_flag(cells[3])) {
        return malformed(place, "the third and the fourth cell must be 0 or 1");
    }
    const unsigned encoding{vmcs::catalogue[field].encoding};
    if (parse_encoding(cells[1]) != encoding) {
        return malformed(place, quoted(cells[1]) + " is not the encoding of " + std::string{cells[0]} +
                                    ", which is " + hex(encoding));
    }
    return CsvRow{field, cells[2] == "1", cells[3] == "1"};
}

[[nodiscard]] Result<vmcs::ShadowSets, ProfileFileError> from_csv(std::string_view text,
                                                                  const std::string& where) {
    const auto lines{split(text, '\n')};
    const std::string_view header{trimmed(lines[0])};
    if (header != csv_header && !header.starts_with(std::string{csv_header} + ",")) {
        return malformed(where + ", line 1", "must begin with the header " + std::string{csv_header});
    }
    vmcs::ShadowSets sets{};
    vmcs::FieldSet seen{};
    for (std::size_t i{1}; i < lines.size(); ++i) {
        if (trimmed(lines[i]).empty()) continue;
        const std::string place{where + ", line " + std::to_string(i + 1)};
        const auto row{csv_row(trimmed(lines[i]), place)};
        if (!row) return Failure{row.error()};
        const auto& [field, read, write]{row.value()};
        if (seen.test(field)) {
            return malformed(place,
                             std::string{vmcs::catalogue[field].symbol} + " is listed twice; keep one");
        }
        seen.set(field);
        if (read) sets.read.set(field);
        if (write) sets.write.set(field);
    }
    return sets;
}

[[nodiscard]] Result<vmcs::ShadowSets, ProfileFileError> from_pages(std::string_view bytes,
                                                                    const std::string& where) {
    if (bytes.size() != 2 * vmcs::BitmapPage::size) {
        return malformed(where, "bitmap pages are " + std::to_string(2 * vmcs::BitmapPage::size) +
                                    " bytes: VMREAD's, then VMWRITE's");
    }
    const auto* const begin{reinterpret_cast<const std::uint8_t*>(bytes.data())};
    const auto sets{vmcs::validate_pages(
        vmcs::BitmapBytes{begin, vmcs::BitmapPage::size},
        vmcs::BitmapBytes{begin + vmcs::BitmapPage::size, vmcs::BitmapPage::size}, any_machine())};
    if (!sets) {
        if (sets.error().field != vmcs::no_field) return Failure{rule_broken(sets.error(), where)};
        return malformed(where, "encoding " + hex(sets.error().encoding) + ": " +
                                    std::string{vmcs::describe(sets.error().rule)});
    }
    return sets.value();
}

[[nodiscard]] Result<Profile, ProfileFileError> from_image(std::string_view bytes, const std::string& where) {
    link::ProfileImage image{};
    if (bytes.size() != sizeof(image))
        return malformed(where, "an image is " + std::to_string(sizeof(image)) + " bytes");
    std::memcpy(&image, bytes.data(), sizeof(image));
    if (image.magic != link::profile_magic) return malformed(where, "not an image of a profile");
    if (image.catalogue_version != vmcs::catalogue_version) {
        return Failure{
            ProfileFileError{ProfileErrorKind::other_catalogue,
                             where + ": made for another field catalogue; tune again with this shadowtune"}};
    }
    Profile profile{};
    profile.name.assign(image.name, strnlen(image.name, max_profile_name));
    if (!vmcs::FieldSet::are_members(image.read) || !vmcs::FieldSet::are_members(image.write)) {
        return malformed(where, "it has bits for fields that do not exist");
    }
    profile.sets = {vmcs::FieldSet::load(image.read), vmcs::FieldSet::load(image.write)};
    return profile;
}

} // namespace

Result<ImportForm, ProfileFileError> form_of(std::string_view bytes, const std::string& where) {
    link::ProfileImage image{};
    if (bytes.size() == 2 * vmcs::BitmapPage::size) return ImportForm::pages;
    if (bytes.size() == sizeof(image)) {
        std::memcpy(&image, bytes.data(), sizeof(image));
        if (image.magic == link::profile_magic) return ImportForm::image;
    }
    const std::size_t begin{bytes.find_first_not_of(" \t\r\n")};
    if (begin != std::string_view::npos && bytes[begin] == '{') return ImportForm::json;
    if (bytes.find("SHADOW_FIELD_R") != std::string_view::npos) return ImportForm::kvm;
    if (bytes.find("shadowtune_vmread_passes") != std::string_view::npos) return ImportForm::xen;
    if (bytes.starts_with(csv_header)) return ImportForm::csv;
    return malformed(where, "no form of a profile that is known; name it with --format");
}

Result<Profile, ProfileFileError> import_profile(std::string_view bytes, ImportForm form,
                                                 const std::string& where) {
    if (form == ImportForm::json) return from_json(bytes, where);
    Result<Profile, ProfileFileError> profile{Profile{}};
    if (form == ImportForm::image) {
        profile = from_image(bytes, where);
    } else {
        const auto sets{form == ImportForm::kvm   ? from_kvm(bytes, where)
                        : form == ImportForm::xen ? from_xen(bytes, where)
                        : form == ImportForm::csv ? from_csv(bytes, where)
                                                  : from_pages(bytes, where)};
        if (!sets) return Failure{sets.error()};
        profile.value().sets = sets.value();
    }
    if (!profile) return profile;
    if (const auto checked{check_rules(profile.value().sets, where)}; !checked)
        return Failure{checked.error()};
    return profile;
}

} // namespace shadowtune::tuner
