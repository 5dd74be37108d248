#include "tuner/exports.hpp"

#include "tuner/library.hpp"
#include "vmcs/bitmap.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <memory>

namespace shadowtune::tuner {

namespace {

// A line of text is never longer.
constexpr std::size_t longest_line{256};

[[gnu::format(printf, 1, 2)]] std::string line(const char* format, ...) {
    std::array<char, longest_line> text{};
    va_list values{};
    va_start(values, format);
    std::vsnprintf(text.data(), text.size(), format, values);
    va_end(values);
    return text.data();
}

[[nodiscard]] std::string xen_array(const char* name, const vmcs::FieldSet& fields) {
    std::string text{"static const uint16_t " + std::string{name} + "[] = {\n"};
    fields.for_each([&](vmcs::FieldIndex index) {
        const vmcs::FieldInfo& field{vmcs::catalogue[index]};
        text += line("    0x%04x, /* %s */\n", field.encoding, std::string{field.symbol}.c_str());
        if (field.has_high_half()) {
            text += line("    0x%04x, /* its high half */\n", field.encoding | 1U);
        }
    });
    return text + "};\n";
}

[[nodiscard]] std::string symbols(const vmcs::FieldSet& fields) {
    std::string text{};
    fields.for_each([&](vmcs::FieldIndex index) {
        text += (text.empty() ? "" : " ") + std::string{vmcs::catalogue[index].symbol};
    });
    return text;
}

} // namespace

std::string to_pages(const vmcs::ShadowSets& sets) {
    const auto page{std::make_unique<vmcs::BitmapPage>()};
    std::string bytes{};
    for (const vmcs::FieldSet& set : {sets.read, sets.write}) {
        page->assign(set);
        bytes.append(reinterpret_cast<const char*>(page->data()), vmcs::BitmapPage::size);
    }
    return bytes;
}

std::string to_image_bytes(const Profile& profile) {
    const link::ProfileImage image{to_image(profile)};
    return std::string{reinterpret_cast<const char*>(&image), sizeof(image)};
}

std::string to_module_bytes(const Profile& profile) {
    const std::vector<std::byte> module{to_module(profile)};
    return std::string{reinterpret_cast<const char*>(module.data()), module.size()};
}

std::string to_xen_fragment(const Profile& profile) {
    std::string text{"/*\n * shadowtune profile '" + comment_text(profile.name) +
                     "'\n *\n"
                     " * For xen/arch/x86/hvm/vmx/vvmx.c: fill both bitmaps with ones, then clear the bit\n"
                     " * of each encoding below. An encoding that the processor lacks does no harm: VMREAD\n"
                     " * and VMWRITE of it fail with error 12 without an exit.\n */\n"};
    text += xen_array("shadowtune_vmread_passes", profile.sets.read) + "\n";
    return text + xen_array("shadowtune_vmwrite_passes", profile.sets.write);
}

std::string to_csv(const Profile& profile) {
    std::string text{"field,encoding,read,write,reads_per_round_trip,writes_per_round_trip\n"};
    profile.listed_fields().for_each([&](vmcs::FieldIndex index) {
        const vmcs::FieldInfo& field{vmcs::catalogue[index]};
        text += line("%s,0x%04X,%d,%d,", std::string{field.symbol}.c_str(), field.encoding,
                     profile.sets.read.test(index) ? 1 : 0, profile.sets.write.test(index) ? 1 : 0);
        const auto rate{profile.rates.find(index)};
        text += rate == profile.rates.end() ? ",\n"
                                            : line("%.6f,%.6f\n", rate->second.reads, rate->second.writes);
    });
    return text;
}

std::string curve_to_csv(const Profile& profile) {
    std::string text{
        "fields,trapped_reads,trapped_writes,trapped_outside,synced,cost,read_added,write_added\n"};
    vmcs::ShadowSets before{};
    for (const auto& [sets, effect] : profile.curve) {
        text += line("%zu,%.6f,%.6f,%.6f,%.0f,%.6f,", sets.hot_set().count(), effect.trapped_reads,
                     effect.trapped_writes, effect.trapped_outside, effect.synced, effect.cost);
        text += symbols(sets.read - before.read) + "," + symbols(sets.write - before.write) + "\n";
        before = sets;
    }
    return text;
}

std::optional<std::string> export_as(const Profile& profile, std::string_view form) {
    if (form == "json") return to_json(profile);
    if (form == "image") return to_image_bytes(profile);
    if (form == "module") return to_module_bytes(profile);
    if (form == "pages") return to_pages(profile.sets);
    if (form == "kvm") return to_kvm_header(profile);
    if (form == "xen") return to_xen_fragment(profile);
    if (form == "csv") return to_csv(profile);
    if (form == "markdown") return to_markdown(profile);
    if (form == "curve" && !profile.curve.empty()) return curve_to_csv(profile);
    return std::nullopt;
}

std::string comment_text(std::string_view text) {
    std::string safe{text};
    // Nothing from a file may end the comment that it is put in.
    for (std::size_t at{safe.find("*/")}; at != std::string::npos; at = safe.find("*/"))
        safe[at] = ' ';
    return safe;
}

} // namespace shadowtune::tuner
